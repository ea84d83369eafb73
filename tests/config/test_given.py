"""Several files and `--config` mean what one file means that extends the others."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dnastudents.config import load_config, read_config
from dnastudents.config.given import given, parse_arguments, require_usable_root
from dnastudents.config.merge import Source, chain
from dnastudents.errors import InputError

ConfigSettings = pytest.importorskip("snakemake.settings.types").ConfigSettings
parse_config = pytest.importorskip("snakemake.cli").parse_config

ONE = """
runs:
  had: {replicas: 2}
  findna: {masking: {name: bernoulli, probability: 0.2}}
suites: {gue: {tasks: [H3]}}
finetuning: {grid: {learning_rate: [1.0e-3], batch_size: [8, 16]}}
"""
OTHER = """
runs:
  findna: {masking: {name: random_span}}
finetuning: {epochs: 2}
"""


def write(folder: Path, **texts: str) -> list[Path]:
    paths = [folder / f"{name}.yaml" for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_text(text)
    return paths


def snakemake(files: list[Path], *arguments: str, stated: tuple[Path, ...] = ()) -> Any:
    """What `given` reads of a workflow: its command line, and files that Snakefiles state."""
    settings = ConfigSettings(
        config=parse_config(arguments), configfiles=files, config_args=arguments or None
    )
    return SimpleNamespace(config_settings=settings, configfiles=[*settings.configfiles, *stated])


def as_given(root: Path, workflow: Any) -> dict[str, Any]:
    config = load_config(root, given(workflow, workflow.config_settings.overwrite_config))
    return config.settings.as_json()


def test_a_second_file_selects_and_replaces(root: Path, tmp_path: Path) -> None:
    files = write(tmp_path, one=ONE, other=OTHER)
    (extending,) = write(tmp_path, extending="extends: one.yaml\n" + OTHER)
    settings = as_given(root, snakemake(files))
    assert settings == as_given(root, snakemake([extending]))
    assert settings == read_config(files).settings.as_json()
    assert list(settings["runs"]) == ["findna"]  # of the second file alone
    assert settings["runs"]["findna"]["masking"]["name"] == "random_span"
    assert settings["runs"]["findna"]["masking"]["probability"] is None  # not the other's
    assert settings["finetuning"]["epochs"] == 2
    assert settings["finetuning"]["grid"]["batch_size"] == [8, 16]


def test_arguments_are_yaml_and_come_last(root: Path, tmp_path: Path) -> None:
    (one,) = write(tmp_path, one=ONE)
    arguments = (
        'finetuning={"epochs": 3, "frozen": true, "grid": null}',
        "runs={findna: {pretraining: {optimizer: {learning_rate: 1e-5}}}}",
        "results=1",
    )
    with pytest.raises(InputError, match="results: must be text, not 1; quote it"):
        as_given(root, snakemake([one], *arguments))
    settings = as_given(root, snakemake([one], *arguments[:2], "results='001'"))
    assert (settings["finetuning"]["epochs"], settings["finetuning"]["frozen"]) == (3, True)
    assert settings["finetuning"]["grid"] is None
    assert list(settings["runs"]) == ["findna"]
    assert settings["runs"]["findna"]["pretraining"]["optimizer"]["learning_rate"] == 1e-5
    assert settings["results"] == "001"


def test_arguments_extend_too(root: Path) -> None:
    settings = as_given(root, snakemake([], "extends=demo/demo.yaml", "results=here"))
    assert (settings["genome"], settings["results"]) == ("simulated", "here")


def test_a_file_that_a_snakefile_states_is_the_base(root: Path, tmp_path: Path) -> None:
    one, other = write(tmp_path, one=ONE, other=OTHER)
    workflow = snakemake([other], stated=(one,))
    merged = {"runs": {}, "suites": {"gue": {"tasks": ["H3"]}}, "finetuning": {}}
    merged["runs"] = {
        "had": {"replicas": 2},
        "findna": {"masking": {"name": "random_span", "probability": 0.2}},
    }
    merged["finetuning"] = {"grid": {"learning_rate": [1e-3], "batch_size": [8, 16]}, "epochs": 2}
    assert [source.file for source in given(workflow, merged)] == [one, other, None]
    # a workflow that made something else of it is taken at its word
    merged["runs"].pop("had")
    assert given(workflow, merged) == [Source(merged)]


def test_what_two_files_extend_is_their_base(root: Path, tmp_path: Path) -> None:
    """It does not come once more in between, where it would undo the first."""
    files = write(
        tmp_path,
        base="finetuning: {epochs: 1, batch_size: 1}\n",
        one="extends: base.yaml\nfinetuning: {epochs: 2}\n",
        other="extends: base.yaml\nfinetuning: {dropout: 0.5}\n",
    )
    finetuning = read_config(files[1:]).settings.finetuning
    assert (finetuning.epochs, finetuning.batch_size, finetuning.dropout) == (2, 1, 0.5)
    assert len(chain(root, [Source({"extends": str(files[1])})])) == 3


def test_extended_files_lie_beside_the_file_that_names_them(root: Path, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    write(tmp_path, base="genome: hg38\nfinetuning: {epochs: 9}\n")
    (first,) = write(tmp_path / "inner", first="extends: ../base.yaml\n")
    (demo,) = write(tmp_path / "inner", demo="extends: demo/demo.yaml\n")
    assert read_config([first]).settings.finetuning.epochs == 9
    assert read_config([demo]).settings.genome == "simulated"  # comes with the workflow
    (tmp_path / "inner/demo").mkdir()
    write(tmp_path / "inner/demo", demo="finetuning: {epochs: 8}\n")
    assert read_config([demo]).settings.finetuning.epochs == 8  # the nearer wins
    (lost,) = write(tmp_path, lost="extends: bsae.yaml\n")
    with pytest.raises(InputError) as caught:
        read_config([lost])
    assert str(caught.value) == (
        f"{lost}: extends: no file 'bsae.yaml' in {tmp_path}, and none that comes with the "
        f"workflow in {root}; give its path from the first"
    )
    (itself,) = write(tmp_path, itself="extends: itself.yaml\n")
    with pytest.raises(InputError, match=r"itself\.yaml: extends itself; remove an `extends:`"):
        read_config([itself])
    (homeless,) = write(tmp_path, homeless="extends: ~nobody_of_this_name/base.yaml\n")
    with pytest.raises(InputError, match=r"homeless\.yaml: extends: nobody has the home of"):
        read_config([homeless])
    (number,) = write(tmp_path, number="extends: 3\n")
    with pytest.raises(InputError, match=r"number\.yaml: extends: must be text, not 3"):
        read_config([number])


def test_templates_are_filled_in_by_snakemake(root: Path, tmp_path: Path) -> None:
    (template,) = write(tmp_path, template="__use_yte__: true\nfinetuning: {epochs: '?1 + 2'}\n")
    assert as_given(root, snakemake([template]))["finetuning"]["epochs"] == 3


def test_files_are_read_with_their_lines(root: Path, tmp_path: Path) -> None:
    """Snakemake has read them before, and lost the first of two keys."""
    (twice,) = write(tmp_path, twice="runs:\n  had: {}\n  had: {replicas: 2}\n")
    with pytest.raises(InputError) as caught:
        as_given(root, snakemake([twice]))
    assert str(caught.value) == (
        f"{twice}: the key 'had' is in line 2 and again in line 3; keep one of them"
    )


def test_arguments_that_are_no_yaml() -> None:
    assert parse_arguments(["a=", "b={c: 1}", "b={d: 2}"]) == {"a": None, "b": {"c": 1, "d": 2}}
    with pytest.raises(InputError, match="--config a: not valid YAML: "):
        parse_arguments(["a={b"])


def test_a_wheel_has_no_code_for_conda(tmp_path: Path) -> None:
    def place(*methods: str) -> Any:
        chosen = {SimpleNamespace(name=name) for name in ()} | {
            type("Method", (), {"name": name}) for name in methods
        }
        return SimpleNamespace(deployment_settings=SimpleNamespace(deployment_method=chosen))

    require_usable_root(tmp_path, place("APPTAINER"))
    with pytest.raises(InputError, match="conda: jobs would lack the package"):
        require_usable_root(tmp_path, place("CONDA"))
    (tmp_path / "src").mkdir()
    require_usable_root(tmp_path, place("CONDA"))
    with pytest.raises(InputError, match="has braces; rename that folder"):
        require_usable_root(tmp_path / "{x}", place())
