"""What people and editors read of the configuration is made from the tree, and up to date."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dnastudents.config import Config, export
from dnastudents.config.schema import Configuration
from dnastudents.settings import parse

jsonschema = pytest.importorskip("jsonschema", reason="comes with Snakemake")
FILES = [
    "config.yaml",
    "demo/demo.yaml",
    "demo/chr21_22.yaml",
    "tests/workflow/tiny.yaml",
    *(
        f"studies/{name}.yaml"
        for name in ("all_tasks", "cmgems", "findna", "fits", "had", "had_ablations", "start")
    ),
]


def test_the_page_is_up_to_date(root: Path) -> None:
    written = (root / export.PAGE).read_text()
    assert written == export.markdown(), "run `dnastudents config docs`"


def test_the_schema_is_up_to_date(root: Path) -> None:
    written = json.loads((root / export.SCHEMA).read_text())
    assert written == export.json_schema(), "run `dnastudents config schema`"


@pytest.mark.parametrize("name", FILES)
def test_editors_accept_the_shipped_files(root: Path, name: str) -> None:
    jsonschema.Draft202012Validator(export.json_schema()).validate(
        yaml.safe_load((root / name).read_text())
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"resutls": "x"},
        {"runs": {"had": {"pretraining": {"steps": "5"}}}},
        {"runs": {"had": {"pretraining": {"window": {"kind": "tiles"}}}}},
        {"students": {"had": {"architecture": "hybrid", "blocks": 2}}},
        {"suites": {"gue": {"seeds": [0.5]}}},
        {"runs": {"my run": {"extends": "had"}}},
    ],
)
def test_editors_refuse_what_is_wrong(wrong: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(export.json_schema())
    assert not validator.is_valid(wrong)


@pytest.mark.parametrize("name", FILES)
def test_what_is_shown_is_all_that_is_used(root: Path, name: str) -> None:
    """Read again as a whole, it is the same configuration."""
    changes = {} if name == "config.yaml" else yaml.safe_load((root / name).read_text())
    config = Config(root, changes)
    shown = yaml.safe_load(export.as_yaml(export.resolved(config)))
    assert parse(Configuration, shown).as_json() == shown
    assert list(shown["runs"]) == config.runs
    assert list(shown["suites"]) == list(config.suites)
