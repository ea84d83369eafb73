"""How the files of a suite are obtained: routes of tasks.csv, and what the configuration says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dnastudents.benchmarks.routes import Route, choose, read_routes
from dnastudents.config import load_config
from dnastudents.errors import InputError


@pytest.fixture
def table(tmp_path: Path) -> Path:
    lines = [
        "suite,task,route,datasets,references",
        "s,a,archive,s.zip,",
        "s,a,places,a/1 a/2,hg38 worm",
    ]
    (tmp_path / "tasks.csv").write_text("\n".join([*lines, "s,b,archive,s.zip,"]))
    return tmp_path / "tasks.csv"


def test_the_first_route_is_the_default(table: Path) -> None:
    tasks = read_routes(table)["s"]
    archive = Route(["s.zip"], [])
    assert choose("s", tasks) == choose("s", tasks, "archive") == {"a": archive, "b": archive}
    places = Route(["a/1", "a/2"], ["hg38", "worm"])
    assert choose("s", tasks, "places") == {"a": places, "b": archive}  # b has no such route


def suites(**changes: Any) -> dict[str, Any]:
    return {"suites": changes}


def test_routes_of_the_configuration(root: Path) -> None:
    """Only the suite that names a route changes."""
    plain = load_config(root)
    changed = load_config(root, suites(gue={"route": "tables"}, genomic_benchmarks={}))
    assert plain.known_tasks["gue"]["tf_0"] == ["gue/GUE.zip"]
    files = [f"gue/human_tf_0/{split}.csv" for split in ("train", "dev", "test")]
    assert changed.known_tasks["gue"]["tf_0"] == files
    assert changed.data()["gue/tf_0"] == {"datasets": files}
    assert changed.routes["genomic_benchmarks"] == plain.routes["genomic_benchmarks"]
    assert not any(changed.task_references(*task) for task in changed.tasks())


def test_coordinates_need_their_references(root: Path) -> None:
    config = load_config(root, suites(genomic_benchmarks={"route": "coordinates"}))
    used = {name for task in config.tasks() for name in config.task_references(*task)}
    assert used == {"hg38", "grch38_cdna", "wbcel235", "grcm38"}  # the fly is not selected
    assert config.data()["reference/wbcel235"] == {"datasets": ["reference/wbcel235.fa.gz"]}
    *files, genome = config.data()["genomic_benchmarks/human_enhancers_cohn"]["datasets"]
    assert (len(files), genome) == (4, "reference/hg38.fa.gz")
    assert all(id.startswith("genomic_benchmarks/coordinates/human_enhan") for id in files)


def test_a_reference_that_is_not_configured(root: Path, copy: Path) -> None:
    text = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(text.replace("  wbcel235: {", "  worm: {"))
    load_config(copy)
    with pytest.raises(InputError) as caught:
        load_config(copy, suites(genomic_benchmarks={"route": "coordinates"}))
    assert str(caught.value) == (
        "suites.genomic_benchmarks.route: the coordinates of demo_human_or_worm are of 'wbcel235'; "
        "add references.wbcel235 with `dataset: reference/wbcel235.fa.gz` or `fasta:` and your own "
        "file"
    )


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """What a configuration reads of a repository."""
    (tmp_path / "config.yaml").write_bytes((root / "config.yaml").read_bytes())
    (tmp_path / "workflow").symlink_to(root / "workflow")
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            suites(gue={"route": "table"}),
            "suites.gue.route: no route 'table'; it has archive, tables",
        ),
        (
            suites(gue={"leakage": "drop"}),
            "suites.gue.leakage: unknown value 'drop'; known: remove, report",
        ),
        (
            {"genome": "grcm38"},
            "references.grcm38.splits: runs are pretrained on this genome; "
            "name its train and validation chromosomes",
        ),
    ],
)
def test_mistakes(root: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_config(root, changes)
    assert str(caught.value) == message


def test_a_suite_of_your_own_has_no_routes(copy: Path, root: Path) -> None:
    (copy / "workflow").unlink()
    (copy / "workflow/rules/benchmarks").mkdir(parents=True)
    (copy / "workflow/rules/benchmarks/mine.smk").touch()
    for name in ("resources", "schemas"):
        (copy / "workflow" / name).symlink_to(root / "workflow" / name)
    block = {"tasks": ["x"], "seeds": [0]}
    changes = {"suites": {"mine": block}, "probes": {"knn": None}}
    changes["figures"] = {"tsne": {"tasks": []}, "tsne_cls": {"tasks": []}}
    assert load_config(copy, changes).task_references("mine", "x") == []
    with pytest.raises(InputError, match="route: a suite of your own has no routes"):
        load_config(copy, {**changes, "suites": {"mine": {**block, "route": "archive"}}})


def test_the_revised_suite_is_turned_on_by_one_block(root: Path) -> None:
    name = "nucleotide_transformer_revised"
    assert name not in load_config(root).suites
    config = load_config(root, suites(**{name: {"tasks": ["H2AFZ", "promoter_all"], "seeds": [0]}}))
    folder = f"{name}/H2AFZ"
    assert config.tasks() == [(name, "H2AFZ"), (name, "promoter_all")]
    assert config.data()[folder] == {
        "datasets": [f"{folder}/train.parquet", f"{folder}/test.parquet"]
    }
