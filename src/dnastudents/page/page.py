"""Gather what the page shows, and write it.

Everything is made by the code of the tables from the same rows, so the page cannot say something
else. Template, style and script lie beside this module and end up inside the page.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from dnastudents.errors import InputError, nearest
from dnastudents.figures.style import COLOURS, looks, recipe
from dnastudents.files import atomic_file
from dnastudents.page.findings import Effect, effects, said_of_effects, said_of_suite
from dnastudents.page.heat import heat_maps
from dnastudents.results.costs import Size, read_sizes
from dnastudents.results.jobs import BASELINE, run_of
from dnastudents.results.published import read_published
from dnastudents.results.rows import read_metrics, require_runs
from dnastudents.tables.benchmarks import benchmarks_table
from dnastudents.tables.comparisons import Pairs, comparisons_table
from dnastudents.tables.cost import cost_sheets, read_cost_table
from dnastudents.tables.pretraining import pretraining_table
from dnastudents.tables.render import MINUS, Sheet, percent, three_digits
from dnastudents.tables.results import Suite, suite_results
from dnastudents.yaml_files import read_yaml

_LIKE = rb"<!doctype html>\n<!-- dnastudents -->"


class Sources(NamedTuple):
    """What a page is made from.

    Attributes
    ----------
    results : Path
        The workflow's results folder: `metrics.csv`, `tasks/`, and where they are there
        `tables/cost.csv` and `config.resolved.yaml`.
    tasks : sequence of str
        As suite/task, in their order; none is all.
    runs : sequence of str or None
        In their order; None is all.
    pairs : sequence of (run, control)
    pretrainings : sequence of path
        Outputs of `dnastudents pretrain`.
    probes : sequence of str
        knn and linear, as far as they were done: `<results>/<probe>.csv`.
    figures : sequence of path
        SVG files; where a PNG beside one is smaller, as of thousands of points, it is shown.
    captions : Path or None
        Folder of `<figure>.rst`; a figure has the caption whose name its own begins with.
    published : Path or None
        See `results.published`.
    """

    results: Path
    tasks: Sequence[str] = ()
    runs: Sequence[str] | None = None
    pairs: Pairs = ()
    pretrainings: Sequence[Path] = ()
    probes: Sequence[str] = ()
    figures: Sequence[Path] = ()
    captions: Path | None = None
    published: Path | None = None


class Figure(NamedTuple):
    """A picture inside the page."""

    title: str
    caption: Markup
    address: str


def write_page(sources: Sources, output: str | Path) -> None:
    """Write the page, a file of its own.

    Parameters
    ----------
    sources : Sources
    output : path
        The HTML file.

    Raises
    ------
    InputError
        One of the sources is absent or broken, or lacks a run or task.
    """
    text = render(sources)
    with atomic_file(output, _LIKE) as partial:
        partial.write_text(text, encoding="utf-8")


def render(sources: Sources) -> str:
    """Return the page's text; see `write_page`."""
    metrics = read_metrics(sources.results / "metrics.csv")
    require_runs(metrics, sources.runs or (), sources.results / "metrics.csv")
    published = read_published(sources.published) if sources.published else None
    sizes = read_sizes(sources.pretrainings)
    tasks = _tasks(sources, metrics)
    suites = _suites(metrics, tasks, sources.runs, sizes, published)
    order = [f"{suite}/{task}" for suite, names in tasks.items() for task in names]
    compared = comparisons_table(metrics, sources.pairs, order)
    untrained = set(metrics.loc[~metrics["pretrained"], "run"])
    found = effects(compared.numbers)
    runs = list(dict.fromkeys(line.run for suite in suites for line in suite.own))
    trained = [x for x in sources.pretrainings if sizes[run_of(x.name)].tokens > 0]
    environment = _environment(runs, untrained)
    return environment.get_template("page.html.jinja").render(
        title=_title(sources.results.resolve()),
        simulated=bool(metrics["simulated"].any()),
        facts=_facts(sources, metrics, tasks, runs, untrained),
        recipes=_legend(runs),
        answer=said_of_effects(found, untrained),
        best=[(suite.name, said_of_suite(suite)) for suite in suites],
        learnt=_by_suite(found, suites, untrained, True),
        others=_by_suite(found, suites, untrained, False),
        strip=_Strip(found),
        maps=heat_maps(suites, compared.numbers, untrained),
        results=[(suite.name, suite.table.sheets) for suite in suites],
        comparisons=compared.sheets,
        probes=_probe_sheets(sources, tasks),
        pretraining=pretraining_table(trained).sheets if trained else [],
        benchmarks=benchmarks_table(sources.results / "tasks" / name for name in order).sheets,
        figures=[_figure(Path(file), sources.captions) for file in sources.figures],
        cost=_cost(sources.results),
        provenance=_provenance(metrics),
        configuration=_text(sources.results / "config.resolved.yaml"),
        example=f"{suites[0].name}/{next(iter(suites[0].metrics))} {runs[0]}",
    )


def _title(results: Path) -> str:
    """Name the results by their folder, or the project's where theirs says nothing."""
    return results.parent.name if results.name == "results" else results.name


def _environment(runs: Sequence[str], untrained: set[str]) -> Environment:
    environment = Environment(
        loader=PackageLoader("dnastudents", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    colours = {run: look.colour for run, look in looks(runs).items()}

    def mark(label: str) -> Markup:
        """A dot in the colour of the run that a label begins with, hollow if it never learnt."""
        run = re.split(rf" \(| \[| {MINUS} ", label)[0]
        if run not in colours:
            return Markup("")
        kind = "dot hollow" if run in untrained else "dot"
        return Markup('<span class="{}" style="--run:{}"></span>').format(kind, colours[run])

    environment.globals |= {"mark": mark, "colours": colours}
    environment.globals["asset"] = lambda name: Markup(
        (Path(__file__).parent / name).read_text(encoding="utf-8")
    )
    environment.globals |= {"up": COLOURS[0], "down": COLOURS[1]}
    environment.filters["breakable"] = lambda text: Markup(
        str(escape(text)).replace("_", "_<wbr>").replace("/", "/<wbr>")
    )
    environment.filters["signed"] = lambda value: percent(value / 100, "+")
    environment.filters["percent"] = lambda value: percent(value / 100)
    return environment


def _legend(runs: Sequence[str]) -> dict[str, str]:
    """Return the recipes of the runs with their colours."""
    colours: dict[str, str] = {}
    for run, look in looks(runs).items():
        colours.setdefault(run if run == BASELINE else recipe(run), look.colour)
    return colours


def _tasks(sources: Sources, metrics: pd.DataFrame) -> dict[str, list[str]]:
    """Return the tasks of each suite in their order, all of which have rows."""
    known = sorted(set(zip(metrics["suite"], metrics["task"], strict=True)))
    names = {f"{suite}/{task}": (suite, task) for suite, task in known}
    found: dict[str, list[str]] = {}
    for name in sources.tasks or names:
        if name not in names:
            raise InputError(
                f"{sources.results}/metrics.csv: no row of task '{name}'; {nearest(name, names)}"
            )
        found.setdefault(names[name][0], []).append(names[name][1])
    return found


def _suites(
    metrics: pd.DataFrame,
    tasks: Mapping[str, list[str]],
    runs: Sequence[str] | None,
    sizes: Mapping[str, Size],
    published: pd.DataFrame | None = None,
) -> list[Suite]:
    by_suite = dict(list(metrics.groupby("suite")))
    return [
        suite_results(by_suite[suite], published, runs, names, sizes)
        for suite, names in tasks.items()
        if suite in by_suite
    ]


def _probe_sheets(sources: Sources, tasks: Mapping[str, list[str]]) -> list[Sheet]:
    """Return the scores of the probes of frozen features, of which not every task has one."""
    found = []
    for probe in sources.probes:
        metrics = read_metrics(sources.results / f"{probe}.csv")
        has = set(zip(metrics["suite"], metrics["task"], strict=True))
        own = {suite: [n for n in names if (suite, n) in has] for suite, names in tasks.items()}
        probed = _suites(metrics, own, sources.runs, {})
        found += [sheet for suite in probed for sheet in suite.table.sheets]
    return found


def _facts(
    sources: Sources,
    metrics: pd.DataFrame,
    tasks: Mapping[str, list[str]],
    runs: Sequence[str],
    untrained: set[str],
) -> list[tuple[str, str]]:
    """Say what was run and on what, in a few words each."""
    configuration = sources.results / "config.resolved.yaml"
    facts = []
    if configuration.is_file():
        values = read_yaml(configuration)
        genome = str(values["genome"])
        made_up = (values["references"].get(genome) or {}).get("simulate") is not None
        facts.append(("Genome", f"{genome}, made up by the simulator" if made_up else genome))
    learnt = [run for run in runs if run not in untrained]
    seeds = metrics[metrics["run"] != BASELINE].groupby(["suite", "task", "run"]).size()
    facts += [
        ("Runs", f"{len(learnt)} pretrained, {len(runs) - len(learnt)} controls"),
        ("Tasks", ", ".join(f"{len(names)} of {suite}" for suite, names in tasks.items())),
        ("Seeds a task", _range(int(seeds.min()), int(seeds.max())) if len(seeds) else "none"),
        ("Devices", ", ".join(sorted(set(metrics["device"])))),
    ]
    cost = sources.results / "tables/cost.csv"
    if cost.is_file():
        hours = read_cost_table(cost)["device_hours"].sum()
        facts.append(("Device hours", three_digits(float(hours))))
    return facts


def _by_suite(
    found: Sequence[Effect], suites: Sequence[Suite], untrained: set[str], against_untrained: bool
) -> list[tuple[str, list[Effect]]]:
    """Return the effects of each suite, against students that never learnt or other controls."""
    of_kind = [effect for effect in found if (effect.control in untrained) == against_untrained]
    groups = [(suite.name, [e for e in of_kind if e.suite == suite.name]) for suite in suites]
    return [(name, group) for name, group in groups if group]


def _range(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"


def _provenance(metrics: pd.DataFrame) -> list[tuple[str, str]]:
    """Say what made the rows: commits, versions, digests."""
    versions: dict[str, set[str]] = {}
    for text in set(metrics["versions"]):
        for name, version in json.loads(text).items():
            versions.setdefault(name, set()).add(version)
    dirty = metrics["dirty"].fillna(False).astype(bool)
    commits = {
        f"{commit}{' with changed files' if changed else ''}"
        for commit, changed in zip(metrics["commit"].fillna("not known"), dirty, strict=True)
    }
    return [
        ("Commit", ", ".join(sorted(commits))),
        *((name, ", ".join(sorted(found))) for name, found in sorted(versions.items())),
        ("Rows of metrics.csv", f"{len(metrics):,}"),
    ]


def _figure(svg: Path, captions: Path | None) -> Figure:
    """Put a figure into the page, as SVG unless the PNG beside it is smaller."""
    if not svg.is_file():
        raise InputError(f"{svg}: no such file; draw the figure first")
    data, kind = svg.read_bytes(), "svg+xml"
    if not data.startswith(b"<?xml"):
        raise InputError(f"{svg}: is not an SVG file; name the .svg of a figure")
    png = svg.with_suffix(".png")
    if png.is_file() and png.stat().st_size < len(data):
        data, kind = png.read_bytes(), "png"
    address = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return Figure(svg.stem.replace("_", " "), _caption(svg.stem, captions), address)


def _caption(name: str, captions: Path | None) -> Markup:
    """Return the caption with the longest name that the figure's begins with."""
    known = list(captions.glob("*.rst")) if captions else []
    mine = [file for file in known if f"{name}_".startswith(f"{file.stem}_")]
    return _marked_up(_text(max(mine, key=lambda file: len(file.stem)))) if mine else Markup("")


def _marked_up(rst: str) -> Markup:
    """Turn the marks of a caption, ``code``, **strong** and *emphasis*, into HTML."""
    text = str(escape(rst.strip()))
    for mark, tag in ((r"``(.+?)``", "code"), (r"\*\*(.+?)\*\*", "strong"), (r"\*(.+?)\*", "em")):
        text = re.sub(mark, rf"<{tag}>\1</{tag}>", text, flags=re.DOTALL)
    return Markup(text)


def _cost(results: Path) -> list[Sheet]:
    """Return what the table of the cost shows; nothing where it was not made."""
    file = results / "tables/cost.csv"
    return cost_sheets(read_cost_table(file)) if file.is_file() else []


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""


class _Strip:
    """Places of differences and intervals on one axis, in percent of its width."""

    def __init__(self, found: Sequence[Effect]) -> None:
        ends = [0.0, *(effect.low for effect in found), *(effect.high for effect in found)]
        self.low, self.width = min(ends), (max(ends) - min(ends)) or 1.0

    def __call__(self, value: float) -> str:
        """Return the place of a value, with a margin of 3 % on either side."""
        return f"{3 + 94 * (value - self.low) / self.width:.2f}"
