"""What the seeds and the cells of a grid share: the student, its tokens, its frozen features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dnastudents.finetune import features, on_task
from dnastudents.finetune.sweep import finetune

GRID = {"learning_rate": [1e-3, 1e-2], "batch_size": [8, 16]}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Each reading of a student, and each split that is tokenised or embedded, with its size."""
    noted: list[tuple[str, int]] = []
    load, tokenize, embed = on_task.Checkpoint.load, features.tokenize, on_task.feature_split

    def note_load(folder: Path) -> Any:
        noted.append(("load", 1))
        return load(folder)

    def note_tokens(sequences: list[str], *rest: Any) -> Any:
        noted.append(("tokens", len(sequences)))
        return tokenize(sequences, *rest)

    def note_features(classifier: Any, split: Any, device: Any) -> Any:
        noted.append(("features", len(split)))
        return embed(classifier, split, device)

    monkeypatch.setattr(on_task.Checkpoint, "load", note_load)
    monkeypatch.setattr(features, "tokenize", note_tokens)
    monkeypatch.setattr(on_task, "feature_split", note_features)
    return noted


def run(folder: Path, student: Path, task: Path, **settings: Any) -> None:
    finetune(
        "mine",
        pretrained=[student],
        task=task,
        settings={"epochs": 1, "max_steps": 2} | settings,
        seeds=(0, 1, 2),
        state=folder / "state",
        output=folder / "out",
    )


READ = [("load", 1), ("tokens", 80), ("tokens", 20), ("tokens", 40)]
EMBEDDED = [("features", 80), ("features", 20), ("features", 40)]


@pytest.mark.parametrize("changes", [{}, {"grid": GRID}, {"dev": "by_seed"}])
@pytest.mark.parametrize("frozen", [False, True])
def test_all_seeds_and_cells_share_what_was_read_and_embedded(
    frozen: bool,
    changes: dict[str, Any],
    replicas: list[Path],
    task: Path,
    tmp_path: Path,
    calls: list[tuple[str, int]],
) -> None:
    run(tmp_path, replicas[0], task, frozen=frozen, **changes)
    assert calls == (READ + EMBEDDED if frozen else READ)


def test_features_of_a_student_that_is_new_with_each_seed_are_made_once_a_seed(
    students: dict[str, Path], task: Path, tmp_path: Path, calls: list[tuple[str, int]]
) -> None:
    run(tmp_path / "plain", students["hybrid"], task, frozen=True)
    assert calls == READ + 3 * EMBEDDED
    calls.clear()
    run(tmp_path / "grid", students["hybrid"], task, frozen=True, grid=GRID)
    assert calls == READ + 6 * EMBEDDED  # to train all cells, then to test the chosen one


def test_features_are_made_once_for_each_pooling_of_a_grid(
    students: dict[str, Path],
    replicas: list[Path],
    task: Path,
    tmp_path: Path,
    calls: list[tuple[str, int]],
) -> None:
    grid = {"learning_rate": [1e-3, 1e-2], "pooling": ["mean", "parts"]}
    run(tmp_path / "pretrained", replicas[0], task, frozen=True, grid=grid)
    assert calls == READ + 2 * EMBEDDED
    calls.clear()
    run(tmp_path / "scratch", students["hybrid"], task, frozen=True, grid=grid)
    assert calls == READ + 3 * 2 * EMBEDDED + 3 * EMBEDDED
