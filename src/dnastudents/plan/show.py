"""A plan as text: by run, by suite, and what it assumes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dnastudents.results.jobs import run_of
from dnastudents.tables.render import MISSING, Sheet, markdown, three_digits

if TYPE_CHECKING:
    from dnastudents.plan import Job, Plan

GIB = 2.0**30
PRETRAINING = ("pretrain", "teacher", "teacher_cache")
ASSUMPTIONS = (
    "Step: one update, a teacher or averaged student that runs beside it included. Not counted: "
    "HAD's decoder, masks and views, the start of each job, the k-mer baseline, features for "
    "t-SNE, waiting in a queue. The gated delta rule is PyTorch's form; with "
    "flash-linear-attention HAD is faster, which `--measure` on the GPU sees.",
    "Memory: weights, gradients and moments in float32, a teacher's weights, and what a "
    "micro-batch keeps for its gradients; less at once where that does not fit.",
)


def show(plan: Plan) -> str:
    """Return a plan as Markdown tables."""
    sheets = [_by_run(plan), _by_suite(plan)]
    sheets[-1].notes = _notes(plan)
    return "\n".join(markdown(sheet) for sheet in sheets)


def _by_run(plan: Plan) -> Sheet:
    pretraining = ["step (s)", "tokens/s", "pretraining (h)"]
    headers = ["run", "parameters", *pretraining, "fine-tuning (h)", "memory (GiB)"]
    title = f"Plan by run, device hours on {plan.rates.hardware} (estimates)"
    sheet = Sheet(title, headers, [], fixed=len(headers))
    rows: dict[str, list[Job]] = {}
    for job in plan.jobs:
        name = run_of(job.run)
        rows.setdefault(f"teacher {name}" if job.kind == "teacher" else name, []).append(job)
    for name, jobs in rows.items():
        sheet.rows.append([name, f"{jobs[-1].parameters:,}", *_speed(jobs), *_sums(jobs)])
    sheet.rows.append(["total", "", "", "", *_sums(plan.jobs)])
    sheet.embolden_last_row()
    return sheet


def _speed(jobs: Sequence[Job]) -> list[str]:
    """Return seconds a step and tokens a second of the first pretraining among some jobs."""
    for job in jobs:
        if job.steps:
            seconds = 3600 * job.hours
            return [three_digits(seconds / job.steps), _count(job.tokens / seconds)]
    return [MISSING, MISSING]


def _sums(jobs: Sequence[Job]) -> list[str]:
    """Return hours of pretraining and of fine-tuning, and the largest memory."""
    return [
        _hours([job for job in jobs if job.kind in PRETRAINING]),
        _hours([job for job in jobs if job.kind not in PRETRAINING]),
        three_digits(max((job.memory for job in jobs), default=0.0) / GIB),
    ]


def _by_suite(plan: Plan) -> Sheet:
    headers = ["suite", "tasks counted", "jobs", "training tokens", "device hours"]
    title = f"Plan by suite, device hours on {plan.rates.hardware} (estimates)"
    sheet = Sheet(title, headers, [])
    rows: dict[str, list[Job]] = {task.partition("/")[0]: [] for task in plan.unknown_tasks}
    for job in plan.jobs:
        if job.task is not None:
            rows.setdefault(job.task.partition("/")[0], []).append(job)
    everything = [job for job in plan.jobs if job.task is not None]
    for suite, jobs in [*rows.items(), ("total", everything)]:
        known = {job.task for job in jobs}
        unknown = [t for t in plan.unknown_tasks if suite in ("total", t.partition("/")[0])]
        tokens = _count(sum(job.tokens for job in jobs)) if jobs else MISSING
        counted = f"{len(known)} of {len(known) + len(unknown)}"
        sheet.rows.append([suite, counted, f"{len(jobs)}", tokens, _hours(jobs)])
    sheet.embolden_last_row()
    return sheet


def _notes(plan: Plan) -> list[str]:
    hours = [job.hours for job in plan.jobs]
    total, longest = sum(hours), max(hours, default=0.0)
    notes = [
        f"Total: {three_digits(total)} device hours; with {plan.devices} device(s) at least "
        f"{three_digits(max(total / plan.devices, longest))} hours, of which the longest job takes "
        f"{three_digits(longest)}.",
        f"Rates: {plan.rates.origin}.",
    ]
    if plan.watts is not None:
        energy = three_digits(total * plan.watts / 1000)
        notes.append(f"Energy: {energy} kWh, {plan.watts:g} W a device without its host.")
    if plan.price is not None:
        notes.append(f"Price: {three_digits(total * plan.price)}, {plan.price:g} a device hour.")
    if plan.unknown_tasks:
        suites = Counter(task.partition("/")[0] for task in plan.unknown_tasks)
        notes.append(
            f"NOT COUNTED: {len(plan.unknown_tasks)} task(s) whose number of sequences is neither "
            "published nor known before their task folders are there (`snakemake "
            "RESULTS/tables/benchmarks.csv` makes all): "
            f"{', '.join(f'{suite} ({n})' for suite, n in suites.items())}."
        )
    return [*notes, *ASSUMPTIONS]


def _hours(jobs: Sequence[Job]) -> str:
    return three_digits(sum(job.hours for job in jobs)) if jobs else MISSING


def _count(value: float) -> str:
    """Format 7257600 as 7.26 M."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.0f}"
