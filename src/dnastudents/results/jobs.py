"""The names of a configuration's jobs, by which they are told from those of an earlier one."""

from __future__ import annotations

from pydantic import Field

from dnastudents.settings import Positive, Settings

BASELINE = "kmer_logistic"  # the run's name of the k-mer baseline


def run_of(name: str) -> str:
    """Return the run of which `name`, as `run@1`, is a further pretraining, or `name` itself."""
    return name.partition("@")[0]


class CountedJobs(Settings):
    """The jobs whose cost is counted."""

    runs: tuple[str, ...] = Field(description="With their replicas, as `run@1`.")
    tasks: tuple[str, ...] = Field(description="As suite/task.")
    others: tuple[str, ...] = Field(
        (), description="What runs and tasks share, as reference/NAME, teacher/NAME, download/ID."
    )
    watts: dict[str, Positive] = Field({}, description="Power of devices, by a part of their name.")

    def run_and_task(self, name: str) -> tuple[str | None, str | None] | None:
        """Return run and task of the job `name`, as `finetune/had/gue/H3`; None if it is not ours.

        Names without a run or task, as `pmi` or `metrics`, are of every configuration.
        """
        rule, _, rest = name.partition("/")
        first, _, task = rest.partition("/")
        if rule == "baseline" and rest in self.tasks:
            return BASELINE, rest
        if rest in self.runs:
            return run_of(rest), None
        if first in self.runs and task in self.tasks:
            return first, task
        if rest in self.tasks:
            return None, rest
        if first == "teacher":  # embed/teacher/NAME/SUITE/TASK
            teacher, _, task = task.partition("/")
            return (None, task) if {teacher} <= self._known and task in self.tasks else None
        suites = {task.partition("/")[0] for task in self.tasks}
        shared = not rest or name in self.others or rest in self._known | suites
        return (None, None) if shared else None

    @property
    def _known(self) -> set[str]:
        """Names of references and teachers."""
        return {n.partition("/")[2] for n in self.others if not n.startswith("download/")}
