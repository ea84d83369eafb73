"""One training loop for all objectives.

- The global batch of a step is a function of (seed, step). Every process draws it whole, makes of
  its own rows what models read and trains on these, so the same seed gives the same batches for any
  number of processes; `gradients` makes of them the gradient of the mean over the global batch.
- The batch of the next step is built while a GPU computes this one, see `ahead`.
- Dropout is seeded by (seed, process, step). With the state this makes a resumed run equal to an
  uninterrupted one, on a CPU bit for bit.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from dnastudents.devices import Precision, device_name
from dnastudents.errors import InputError
from dnastudents.genome.codes import PAD
from dnastudents.objectives import Objective, Views
from dnastudents.objectives.base import perplexity
from dnastudents.randomness import derive_seed
from dnastudents.results.soundness import against_pretraining
from dnastudents.training.ahead import Ahead
from dnastudents.training.corpus import Corpus
from dnastudents.training.gradients import Gradients
from dnastudents.training.optimizer import adamw, learning_rate, leave_out_if, set_learning_rate
from dnastudents.training.options import NORM, Pretraining
from dnastudents.training.processes import Processes
from dnastudents.training.progress import Meter, log_line, time_shares, validation_line
from dnastudents.training.signals import Interruption
from dnastudents.training.state import StateFolder

logger = logging.getLogger(__name__)


class Trainer:
    """Trains one objective, and resumes from its saved state.

    Parameters
    ----------
    run : str
        Name for the log.
    options : Pretraining
        All settings of the loop.
    seed : int
        The run's.
    objective : Objective
        What is trained.
    corpus : Corpus
        Where batches come from.
    state : StateFolder
        Locked by the caller.
    accelerator : Accelerator
        Device and processes.
    yardsticks : callable or None
        Gives the perplexities of plain models on views, see `dnastudents.yardsticks`; called with
        those of the last validation. Default is none.
    """

    def __init__(
        self,
        run: str,
        options: Pretraining,
        seed: int,
        objective: Objective,
        corpus: Corpus,
        state: StateFolder,
        accelerator: Accelerator,
        yardsticks: Callable[[Views], dict[str, float | None]] | None = None,
    ) -> None:
        if options.batch_size < accelerator.num_processes:
            raise InputError(
                f"pretraining.batch_size: {options.batch_size} sequences are too few for "
                f"{accelerator.num_processes} processes"
            )
        self.run, self.options, self.seed = run, options, seed
        self.objective, self.corpus, self.state = objective, corpus, state
        self.accelerator, self.yardsticks = accelerator, yardsticks
        validation = corpus.validation()
        if validation is not None and len(validation) < accelerator.num_processes:
            raise InputError(
                f"pretraining.validation_sequences: {len(validation)} are too few for "
                f"{accelerator.num_processes} processes"
            )
        adam = options.optimizer
        self.optimizer = adamw(
            objective.to(accelerator.device),
            adam.learning_rate,
            adam.weight_decay,
            (adam.betas[0], adam.betas[1]),
            adam.eps,
        )
        self.precision = Precision(options.precision, accelerator.device)
        self.processes = Processes(accelerator.num_processes)
        size = self.micro_batch_asked = options.micro_batch_size or options.batch_size
        self.gradients = Gradients(
            objective, accelerator, self.precision, self.processes, size, options.batch_size
        )
        self.meter = Meter(
            run,
            lambda values: accelerator.reduce(values, "sum"),
            objective.seconds,
            options.stop_after_bad_steps,
            corpus.regions,
        )
        self.batches = Ahead(self._batch, accelerator.device.type)
        self.step = 0  # updates done
        self.seconds = 0.0  # of earlier jobs
        self.began = time.perf_counter()
        self.history: list[dict[str, Any]] = []

    def train(self) -> bool:
        """Train to the end.

        Returns
        -------
        bool
            False when a signal stopped it; the state is saved.
        """
        half = self.precision.name
        forms = [f", {part.replace('_', ' ')} by {by}" for part, by in self.forms.items()]
        logger.info(
            f"{self.run} trains on {device_name(self.accelerator.device)} "
            f"in {'float32' if half == 'no' else half}{''.join(forms)}"
        )
        self.restore()
        options = self.options
        with Interruption() as interruption, self.batches:
            while self.step < options.steps:
                self.advance()
                if self._due(options.log_every):
                    self.log()
                with self.meter.paused():
                    if self._due(options.evaluate_every):
                        self.evaluate()
                    # All must stop at the same step.
                    (stopped,) = self.processes.any([interruption.requested])
                    unfinished = self.step < options.steps
                    if stopped or not unfinished or self._due(options.checkpoint_every):
                        self.save()
                if stopped and unfinished:
                    logger.info(f"{self.run} stopped by a signal at step {self.step}; state saved")
                    return False
        return True

    def advance(self) -> None:
        """Update the weights once."""
        views, tokens = self.batches.take(self.step)
        following = self.step + 1
        # Not across an evaluation, which may change what a curriculum masks.
        if following < self.options.steps and following % self.options.evaluate_every:
            self.batches.begin(following)
        process = self.accelerator.process_index
        set_learning_rate(self.optimizer, self.learning_rate(self.step))
        self.objective.train()
        terms, loss = self.gradients.compute(
            views, derive_seed(self.seed, f"dropout {process}", self.step)
        )
        bad = self.precision.clip(
            self.optimizer, self.gradients.parameters, self.options.gradient_clip
        )
        loss, terms["loss"] = (x.masked_fill(bad, math.nan) for x in (loss, terms["loss"]))
        # The same in every process, and the meter adds up over all.
        terms[NORM] = self.precision.norm / self.accelerator.num_processes
        self.objective.before_step(self.step)
        leave_out_if(~loss.isfinite(), self.optimizer)
        self.precision.step(self.optimizer)
        self.optimizer.zero_grad()
        self.objective.after_step(self.step)
        self.step += 1
        self.meter.add(terms, tokens)

    def _batch(self, step: int) -> tuple[Views, int]:
        """Build this process's views of a step, and count the tokens of the global batch."""
        codes = self.corpus.batch(step)
        own = self.gradients.own_rows(len(codes))
        views = self.objective.own_views(codes, self.seed, step, own)
        return views, int(np.count_nonzero(codes != PAD))

    @torch.no_grad()
    def evaluate(self) -> None:
        """Measure the objective on the fixed validation views, and tell its curriculum."""
        codes = self.corpus.validation()
        if codes is None:
            return
        everything = self.objective.validation_views(codes, self.step)
        self.objective.eval()
        own = everything.part(self.gradients.own_rows(len(everything)))
        total = self.gradients.evaluate(own, everything.counts)
        summed: dict[str, float | None] = {
            k: self.accelerator.reduce(v, "sum").item() for k, v in sorted(total.items())
        }
        predicts = self.objective.prediction in summed
        if predicts:
            # A mean over no position is no loss of 0, and its perplexity is not 1.
            summed |= dict.fromkeys(everything.void(summed))
        if predicts and self.step == self.options.steps and self.yardsticks is not None:
            summed |= self.yardsticks(everything)
        row = self._record("validation", summed)
        logger.info(validation_line(self.run, self.step, self.options.steps, row))
        for reason in against_pretraining(row):
            self.warn(f"{self.run}: {reason}")
        if everything.is_labelled or not predicts:
            self.objective.observe(row, self.step)
            return
        self.warn(
            f"{self.run} step {self.step}: nothing is masked in the validation sequences, so "
            "there is no loss; raise pretraining.validation_sequences or masking.probability"
        )

    def log(self) -> None:
        """Write one line on stderr and one row of history."""
        known = len(self.meter.bad)
        means = self.meter.flush(self.step)
        for step in self.meter.bad[known:]:
            self.warn(f"{self.run} left out step {step}, whose loss or gradient is not finite")
        seconds_per_step = means.pop("seconds_per_step")
        rate = self.learning_rate(self.step - 1)
        row = self._record("train", {**means, "learning_rate": rate})
        logger.info(log_line(self.run, self.step, self.options.steps, row, seconds_per_step))

    def _record(self, split: str, values: dict[str, float | None]) -> dict[str, Any]:
        for entropy, name in ((self.objective.prediction, ""), ("shown", "shown_")):
            if entropy in values:
                nats = values[entropy]
                values[f"{name}perplexity"] = None if nats is None else perplexity(nats)
        # The stage of the update that was just done, not of the one that comes.
        stage = self.objective.stage(self.step - 1)
        row = {"step": self.step, "split": split, "stage": stage, **values}
        self.history.append(row)
        return row

    def learning_rate(self, step: int) -> float:
        """Compute the learning rate of update `step`, counted from 0."""
        schedule, steps = self.options.schedule, self.options.steps
        return learning_rate(
            step,
            steps,
            self.options.optimizer.learning_rate,
            schedule.warmup(steps),
            schedule.kind,
            schedule.minimum_learning_rate,
        )

    def wall_seconds(self) -> float:
        """Return time of all jobs that worked on this run."""
        return self.seconds + time.perf_counter() - self.began

    @property
    def forms(self) -> dict[str, str]:
        """What computes each part of the student that has several forms."""
        half = self.precision.name != "no"
        forms: dict[str, str] = self.objective.student.computed_by(self.accelerator.device, half)
        return forms

    def summary(self) -> dict[str, Any]:
        """Return what `metrics.json` says about the training; `validation` is the last one."""
        validations = [row for row in self.history if row["split"] == "validation"]
        device = self.accelerator.device
        return {
            "steps": self.step,
            "tokens": self.meter.total_tokens,
            "tokens_per_second": self.meter.total_tokens / self.meter.total_seconds,
            **time_shares(self.meter.total_section_seconds, self.meter.total_seconds),
            "wall_seconds": self.wall_seconds(),
            "processes": self.accelerator.num_processes,
            "micro_batch_size": self.gradients.micro_batch,
            "bad_steps": len(self.meter.bad),
            "device": device_name(device),
            "precision": self.precision.name,
            **self.forms,
            "validation": validations[-1] if validations else {},
        }

    def save(self) -> None:
        """Write the state; only the main process does."""
        meter = self.meter.state(self.step)  # sums over processes, so all take part
        if self.accelerator.is_main_process:
            state = {
                "step": self.step,
                "objective": self.objective.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.precision.scaler.state_dict(),
                "meter": meter,
                "micro_batch": self.gradients.micro_batch,
                "micro_batch_asked": self.micro_batch_asked,
                "history": self.history,
                "seconds": self.wall_seconds(),
            }
            self.state.save(state, self.step)
        self.processes.wait()

    def restore(self) -> None:
        """Resume from the newest state, if there is one.

        Raises
        ------
        InputError
            A process could not read what the others have read.
        """
        state, messages = self.state.load()
        for message in messages:
            self.warn(message)
        if not self.processes.agree(0 if state is None else state["step"]):
            raise InputError(
                f"{self.state.folder}: the processes read different states, as when a file system "
                "is slow to show a file on another node; start again"
            )
        if state is None:
            return
        self.step, self.history = state["step"], state["history"]
        self.seconds = state["seconds"]
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:  # empty where nothing was scaled
            self.precision.scaler.load_state_dict(state["scaler"])
        keeps = self.accelerator.is_main_process
        self.meter.load_state(state["meter"], keeps, self.accelerator.device)
        # An earlier job may have found out what fits, unless another size is asked for now.
        if state.get("micro_batch_asked", self.micro_batch_asked) == self.micro_batch_asked:
            self.gradients.micro_batch = min(self.gradients.micro_batch, state["micro_batch"])
        logger.info(f"{self.run} resumes from step {self.step}/{self.options.steps}")

    def warn(self, message: str) -> None:
        """Warn of what all processes have seen; unlike `info`, each would log it."""
        if self.accelerator.is_main_process:
            logger.warning(message)

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.options.steps
