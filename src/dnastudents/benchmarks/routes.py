"""The routes by which the tasks of a suite are obtained: workflow/resources/tasks.csv.

A suite may be published in more than one way, such as an archive or single tables. tasks.csv has
one row per task and route; the first route of a task is its default, and `suites.<suite>.route` of
the configuration names another, for the tasks that have it. Free of pandas, so Snakemake parses
fast.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from dnastudents.errors import InputError


class Route(NamedTuple):
    """What the folder of a task is made from.

    Attributes
    ----------
    files : list of str
        Ids of workflow/resources/datasets.csv.
    references : list of str
        Names of the configuration's references, of which coordinates are read.
    """

    files: list[str]
    references: list[str]


Routes = dict[str, dict[str, Route]]  # of each task of a suite, by name, the default first


def read_routes(path: Path) -> dict[str, Routes]:
    """Read each suite's tasks and their routes."""
    suites: dict[str, Routes] = {}
    with path.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            route = Route(row["datasets"].split(), row["references"].split())
            suites.setdefault(row["suite"], {}).setdefault(row["task"], {})[row["route"]] = route
    return suites


def choose(suite: str, tasks: Routes, name: str | None = None) -> dict[str, Route]:
    """Return the route `name` of each task of a suite; the first by default and where it has none.

    Raises
    ------
    InputError
        The suite has no such route.
    """
    known = {route for routes in tasks.values() for route in routes}
    if name is not None and name not in known:
        have = f"it has {', '.join(sorted(known))}" if known else "it has none; drop the key"
        raise InputError(f"suites.{suite}.route: no route '{name}'; {have}")
    return {
        task: routes.get(name or "", next(iter(routes.values()))) for task, routes in tasks.items()
    }
