"""Which tables and figures a configuration gives: the names of their files."""

from __future__ import annotations

from dnastudents.config.config import Config


def table_names(config: Config) -> list[str]:
    """Name all tables but the one of the cost."""
    probed = [(probe, suite) for probe in config.probes() for suite, _ in config.probe_tasks(probe)]
    return [
        *config.suites,
        "benchmarks",
        *(["pretraining"] if _learns(config) else []),
        *(["comparisons"] if config.comparisons() else []),
        *sorted({"_".join(of) for of in probed}),
    ]


def figure_names(config: Config) -> list[str]:
    """Name all figures, in the order in which the page shows them: what answers most first."""
    suites = list(config.suites)
    tsne = {kind: config.tsne(kind) for kind in ("tsne", "tsne_cls")}
    return [
        *(["comparisons"] if config.comparisons() else []),
        "heatmap",
        *(["ranks"] if min(len(config.tasks()), len(config.runs)) > 1 else []),
        *(["few_shot"] if "few_shot" in suites else []),
        "against_cost",
        *(f"overview_{suite}" for suite in suites),
        *(["losses"] if _learns(config) else []),
        *("_".join([kind, *task]) for kind, (runs, of) in tsne.items() for task in of if runs),
        *(f"confusion_{suite}" for suite in suites),
        *(["pmi"] if any("pmi" in config.needs(run) for run in config.runs) else []),
    ]


def _learns(config: Config) -> bool:
    return any(config.is_pretrained(run) for run in config.runs)
