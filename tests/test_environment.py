"""What is left in the environment, or lies in the working folder, changes no number."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from recipes import settings_of

from dnastudents.environment import clean, is_launched, join_or_be_alone, rank
from dnastudents.errors import InputError
from dnastudents.files import sha256

RANKS = {"RANK": "3", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": "nowhere"}
# Each training takes seconds to start, so what cannot hide the other is left there together.
LEFT = {
    "libraries": {
        "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "2",
        "ACCELERATE_MIXED_PRECISION": "bf16",
        "ACCELERATE_DYNAMO_BACKEND": "INDUCTOR",
        "ACCELERATE_USE_DEEPSPEED": "true",
        "ACCELERATE_USE_FSDP": "true",
        "ACCELERATE_TORCH_DEVICE": "meta",
        "ACCELERATE_DEBUG_MODE": "1",
        "FSDP_VERSION": "3",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "MKL_DYNAMIC": "FALSE",
        "PYTHONHASHSEED": "7",
    },
    "precision": {
        "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
        "NVIDIA_TF32_OVERRIDE": "1",
        "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1",
    },
    "ranks": RANKS | {"WORLD_SIZE": "1", "TRANSFORMERS_CACHE": "/nowhere"},
    "schedulers": {
        **{"OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0", "PMI_RANK": "5"},
        **{"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "2", "SLURM_LOCALID": "1"},
        "TRANSFORMERS_VERBOSITY": "error",
    },
}


def python(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder, as a user does."""
    path = os.pathsep.join(filter(None, sys.path))
    kept = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "dnastudents", *arguments]
    return subprocess.run(
        command, cwd=folder, env={**kept, **variables}, capture_output=True, text=True, check=False
    )


def pretrained(folder: Path, inputs: dict[str, Path], **variables: str) -> str:
    """The digest of the weights of a short pretraining."""
    (folder / "settings.json").write_text(json.dumps(settings_of("masked_lm", steps=2)))
    given = ["--reference", str(inputs["reference"]), "--pmi", str(inputs["pmi"])]
    places = ["--state", "state", "--output", "out", "--settings", "settings.json"]
    done = python(folder, "pretrain", "lm", *given, *places, **variables)
    assert done.returncode == 0, done.stderr
    assert "rank" not in done.stderr
    assert "lm resumes" not in done.stderr and "lm trains on" in done.stderr
    return sha256(folder / "out/model/model.safetensors")


@pytest.fixture(scope="module")
def trained(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    pretrained(folder, inputs)
    return folder


@pytest.fixture(scope="module")
def plain(trained: Path) -> str:
    return sha256(trained / "out/model/model.safetensors")


@pytest.mark.parametrize("kind", LEFT)
def test_what_is_left_in_the_environment_changes_no_weight(
    kind: str, plain: str, inputs: dict[str, Path], tmp_path: Path
) -> None:
    assert pretrained(tmp_path, inputs, **LEFT[kind]) == plain


def test_figures_do_not_ask_for_a_backend(trained: Path) -> None:
    for backend in ("not a backend", "module://not_there"):
        done = python(trained, "figure", "losses", "out", "--output", "f", MPLBACKEND=backend)
        assert (done.returncode, done.stderr) == (0, "")


def test_modules_of_the_working_folder_are_not_imported(
    plain: str, inputs: dict[str, Path], tmp_path: Path
) -> None:
    """It is in front, as always with -m, and an empty entry of PYTHONPATH stands for it too."""
    for name in ("random", "torch", "numpy", "typer", "difflib", "pandas"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('mine')\n")
    paths = os.pathsep.join(["", *filter(None, sys.path)])
    assert pretrained(tmp_path, inputs, PYTHONPATH=paths) == plain


def test_nor_by_the_processes_of_a_launch(
    plain: str, inputs: dict[str, Path], tmp_path: Path
) -> None:
    for name in ("random", "types", "torch"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('mine')\n")
    (tmp_path / "settings.json").write_text(json.dumps(settings_of("masked_lm", steps=2)))
    given = ["--reference", str(inputs["reference"]), "--pmi", str(inputs["pmi"])]
    places = ["--state", "state", "--output", "out", "--settings", "settings.json"]
    arguments = ["launch", "--", "pretrain", "lm", *given, *places]
    left = RANKS | {"WORLD_SIZE": "2"}
    done = python(tmp_path, *arguments, PYTHONSAFEPATH="1", **left)  # `types` would stop Python
    assert done.returncode == 0, done.stderr
    assert sha256(tmp_path / "out/model/model.safetensors") == plain


@pytest.mark.parametrize("name", ["WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"])
@pytest.mark.parametrize("size", ["2", "two"])
def test_several_processes_without_a_launcher_are_refused(
    name: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {name: size})
    with pytest.raises(InputError, match=f"{name} is {size}, but 1 process trains here"):
        join_or_be_alone()


def test_ranks_count_for_those_that_were_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DNASTUDENTS_PROCESSES", "TORCHELASTIC_RUN_ID", "FORK_LAUNCHED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (RANKS | {"WORLD_SIZE": "2", "PMI_RANK": "1"}).items():
        monkeypatch.setenv(name, value)
    assert (is_launched(), rank()) == (False, "0")
    monkeypatch.setenv("DNASTUDENTS_PROCESSES", "1")
    assert (is_launched(), rank()) == (False, "0")
    monkeypatch.setenv("DNASTUDENTS_PROCESSES", "2")
    assert (is_launched(), rank()) == (True, "3")
    join_or_be_alone()
    assert os.environ["RANK"] == "3"
    assert "PMI_RANK" not in os.environ


def test_clean_leaves_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_NUM_PROCESSES", "2")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    before = dict(os.environ)
    clean()
    assert os.environ["OMP_NUM_THREADS"] == "2"
    gone = set(before) - set(os.environ)
    assert "ACCELERATE_NUM_PROCESSES" in gone
    assert all(name.startswith(("ACCELERATE_", "FSDP_", "PARALLELISM_")) for name in gone)


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_weights_are_as_readable_as_other_files(mask: int, mode: int, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    from dnastudents.files import atomic_directory, atomic_file

    before = os.umask(mask)
    try:
        with atomic_directory(tmp_path / "folder") as folder:
            save_file({}, folder / "model.safetensors")
        with atomic_file(tmp_path / "file") as partial:
            save_file({}, partial)
    finally:
        os.umask(before)
    for file in (tmp_path / "folder/model.safetensors", tmp_path / "file"):
        assert stat.S_IMODE(file.stat().st_mode) == mode
