"""Files that other programs read: they parse, and what they name is there."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from dnastudents import __version__

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (".github", "demo", "docs", "envs", "profiles", "slurm", "studies", "tests", "workflow")
YAML = [
    *(path for pattern in ("*.y*ml", ".*.y*ml", "*.cff") for path in sorted(ROOT.glob(pattern))),
    *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.y*ml"))),
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", YAML, ids=lambda path: str(path.relative_to(ROOT)))
def test_yaml_parses(path: Path) -> None:
    assert yaml.safe_load(path.read_text(encoding="utf-8")) is not None


def test_ci_calls_what_is_there_on_every_supported_python() -> None:
    jobs = read(".github/workflows/ci.yml")["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    called = [command.split()[1] for command in commands if command.startswith("make ")]
    assert called and set(called) <= set(targets)
    versions = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if ":: 3." in name]
    assert jobs["test"]["strategy"]["matrix"]["python"] == versions
    assert PROJECT["requires-python"] == f">={versions[0]}"


def test_hooks_run_tools_that_the_extra_dev_installs() -> None:
    (local,) = read(".pre-commit-config.yaml")["repos"]
    tools = {hook["entry"].split()[0] for hook in local["hooks"]}
    installed = {re.split(r"[<>=\[ ]", line)[0] for line in PROJECT["optional-dependencies"]["dev"]}
    assert tools <= installed


def test_the_citation_is_complete_and_of_this_version() -> None:
    """What cff-version 1.2.0 requires, and the version and licence of the package."""
    citation = read("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["license"]
    assert [author["name"] for author in citation["authors"]] == [
        author["name"] for author in PROJECT["authors"]
    ]


def test_a_tag_is_that_of_the_version() -> None:
    command = ["git", "-C", ROOT, "tag", "--points-at", "HEAD", "v*"]
    tags = subprocess.run(command, capture_output=True, text=True).stdout.split()
    assert tags in ([], [f"v{__version__}"])


@pytest.mark.parametrize("name", ["bug", "addition"])
def test_issue_forms_have_what_a_form_needs(name: str) -> None:
    form = read(f".github/ISSUE_TEMPLATE/{name}.yml")
    assert {"name", "description", "body"} <= form.keys()
    for part in form["body"]:
        assert part["type"] in ("textarea", "input", "checkboxes")
        assert part["attributes"]["label"]


def test_conda_environments_have_the_versions_that_are_pinned() -> None:
    """But for the last number; and nothing that the package does not ask for."""
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    )
    pinned = {name.lower().replace("_", "-"): version for name, version in pinned.items()}
    wanted = {re.split(r"[<>=]", line)[0] for line in PROJECT["dependencies"]}
    renamed = {"matplotlib-base": "matplotlib", "pytorch": "torch"}
    for file in ("dnastudents", "snakemake"):
        (python, *packages) = read(f"envs/{file}.yaml")["dependencies"]
        assert f"FROM {python.replace(' =', ':')}-slim" in (ROOT / "Dockerfile").read_text()
        for line in packages:
            package, version = line.split(" =")
            name = renamed.get(package, package)
            assert name in wanted
            assert version == ".".join(pinned[name.replace("_", "-")].split(".")[:2]), line


def test_every_package_is_pinned_once() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    assert all(re.fullmatch(r"[\w.-]+==[\w.+-]+", line) for line in lines)
    pinned = [re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() for line in lines]
    assert len(set(pinned)) == len(pinned)
    extras = PROJECT["optional-dependencies"]
    asked = [*PROJECT["dependencies"], *extras["dev"], *extras["docs"]]
    names = [re.split(r"[<>=\[ ;]", line)[0].lower().replace("_", "-") for line in asked]
    assert set(names) - {"dnastudents"} <= set(pinned)
