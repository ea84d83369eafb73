"""A plan as text: by run, by suite, and what it assumes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from dnastudents.plan.work import Work
from dnastudents.tables.render import MISSING, TIMES, Sheet, markdown, three_digits

if TYPE_CHECKING:
    from dnastudents.plan import Plan

GIB = 2.0**30
FINETUNING = ("finetune", "linear", "knn")
ASSUMPTIONS = (
    f"Estimates. FLOP = 2 {TIMES} parameters without embedding tables {TIMES} tokens {TIMES} "
    "passes: 3 to learn (1 forward, 2 backward), 1 to validate or test; an averaged student and a "
    "teacher 1 more each. Hours = FLOP / (FLOP/s).",
    "Not counted: attention's products of length squared (with --flops), decoders, masks and "
    "views, the start of each job, the k-mer baseline, features for t-SNE, waiting in a queue.",
    "Memory: {memory}.",
    "Disk: three training states (weights and two moments), the result, the weights of a grid "
    "that is not finished, cached features. References: one byte per base.",
)
STATE_ONLY = (
    "at least weights, gradients and moments in float32, 16 bytes per parameter, a teacher's 4; "
    "activations come on top (--measure counts them)"
)
WITH_ACTIVATIONS = (
    "weights, gradients, moments in float32, 16 bytes per parameter, a teacher's 4, and what was "
    "measured here to be kept for the gradients of a micro-batch, in float32"
)


def show(plan: Plan) -> str:
    """Return a plan as Markdown tables."""
    sheets = [_by_run(plan), _by_suite(plan)]
    sheets[-1].notes = _notes(plan)
    return "\n".join(markdown(sheet) for sheet in sheets)


def _by_run(plan: Plan) -> Sheet:
    headers = [
        "run",
        "parameters",
        "pretraining tokens",
        "pretraining (h)",
        "fine-tuning (h)",
        "memory (GiB)",
        "disk (GiB)",
    ]
    sheet = Sheet(f"Plan by run, device hours on {plan.hardware} (estimates)", headers, [], fixed=7)
    rows: dict[str, list[int]] = {}
    for index, job in enumerate(plan.jobs):
        name = job.run.partition("@")[0]
        rows.setdefault(f"teacher {name}" if job.kind == "teacher" else name, []).append(index)
    for name, indices in [*rows.items(), ("total", list(range(len(plan.jobs))))]:
        jobs = [plan.jobs[index] for index in indices]
        learnt = [i for i in indices if plan.jobs[i].kind not in FINETUNING]
        tuned = [i for i in indices if plan.jobs[i].kind in FINETUNING]
        tokens = sum(plan.jobs[i].tokens for i in learnt)
        sheet.rows.append(
            [
                name,
                _parameters(plan, jobs) if name != "total" else "",
                _count(tokens) if learnt else MISSING,
                _hours(plan, learnt),
                _hours(plan, tuned),
                three_digits(max((plan.memory[i] for i in indices), default=0.0) / GIB),
                three_digits(sum(job.disk for job in jobs) / GIB),
            ]
        )
    sheet.embolden_last_row()
    return sheet


def _by_suite(plan: Plan) -> Sheet:
    headers = ["suite", "tasks counted", "jobs", "training tokens", "device hours"]
    sheet = Sheet(f"Plan by suite, device hours on {plan.hardware} (estimates)", headers, [])
    rows: dict[str, list[int]] = {task.partition("/")[0]: [] for task in plan.unknown_tasks}
    for index, job in enumerate(plan.jobs):
        if job.task is not None:
            rows.setdefault(job.task.partition("/")[0], []).append(index)
    everything = [index for indices in rows.values() for index in indices]
    for suite, indices in [*rows.items(), ("total", everything)]:
        known = {plan.jobs[i].task for i in indices}
        unknown = [t for t in plan.unknown_tasks if suite in ("total", t.partition("/")[0])]
        tokens = _count(sum(plan.jobs[i].tokens for i in indices)) if indices else MISSING
        counted = f"{len(known)} of {len(known) + len(unknown)}"
        sheet.rows.append([suite, counted, f"{len(indices)}", tokens, _hours(plan, indices)])
    sheet.embolden_last_row()
    return sheet


def _notes(plan: Plan) -> list[str]:
    total = sum(plan.hours)
    longest = max(plan.hours, default=0.0)
    side_by_side = max(total / plan.devices, longest)
    networks = {network.name: network for network in plan.networks.values()}
    speeds = ", ".join(f"{name} {plan.rates.of(networks[name]):.2g}" for name in sorted(networks))
    assumed = sorted(name for name in networks if not plan.rates.is_own(networks[name]))
    measured = any(rate.kept_bytes for rate in plan.rates.measured)
    notes = [
        f"Total: {three_digits(total)} device hours; with {plan.devices} device(s) at least "
        f"{three_digits(side_by_side)} hours, of which the longest job takes "
        f"{three_digits(longest)}.",
        f"FLOP/s ({plan.rates.origin}): {speeds}.",
    ]
    if assumed:
        notes.append(f"Not measured, so the slowest of the others: {', '.join(assumed)}.")
    if plan.unknown_tasks:
        suites = Counter(task.partition("/")[0] for task in plan.unknown_tasks)
        notes.append(
            f"NOT COUNTED: {len(plan.unknown_tasks)} task(s) whose number of sequences is not "
            "known before their task folders are there (`snakemake RESULTS/tables/benchmarks.csv` "
            f"makes all): {', '.join(f'{suite} ({n})' for suite, n in suites.items())}."
        )
    notes.append(_data(plan))
    words = WITH_ACTIVATIONS if measured else STATE_ONLY
    return notes + [note.format(memory=words) for note in ASSUMPTIONS]


def _data(plan: Plan) -> str:
    known = [size for size in plan.downloads.values() if size is not None]
    unknown = len(plan.downloads) - len(known)
    text = f"Downloads: {len(plan.downloads)} file(s), {three_digits(sum(known) / GIB)} GiB"
    if unknown:
        text += f" without the {unknown} whose size the manifest does not have"
    return f"{text}. References: {three_digits(plan.references / GIB)} GiB."


def _parameters(plan: Plan, jobs: list[Work]) -> str:
    names = {name for job in jobs if job.kind != "teacher_cache" for name in list(job.flops)[:1]}
    sizes = {network.name: network.parameters for network in plan.networks.values()}
    return ", ".join(f"{sizes[name]:,}" for name in sorted(names)) or MISSING


def _hours(plan: Plan, indices: list[int]) -> str:
    return three_digits(sum(plan.hours[index] for index in indices)) if indices else MISSING


def _count(value: float) -> str:
    """Format 7257600 as 7.26 M."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.0f}"
