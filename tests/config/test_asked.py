"""What a job is asked is written when it changes, and only then."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from dnastudents.config import load_config
from dnastudents.config.asked import Asked, forget_states, signature


def test_it_is_written_when_it_changes(tmp_path: Path) -> None:
    asked = Asked(tmp_path)
    (file,) = asked.file("finetune/had/gue/H3", {"epochs": 3})
    os.utime(file, ns=(1, 1))
    assert asked.file("finetune/had/gue/H3", {"epochs": 3}) == [file]
    assert Path(file).stat().st_mtime_ns == 1
    asked.file("finetune/had/gue/H3", {"epochs": 4})
    assert Path(file).stat().st_mtime_ns > 1


def test_a_dry_run_writes_nothing_and_warns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert Asked(tmp_path, dry_run=True).file("pmi", {"k": 6}) == []
    (file,) = Asked(tmp_path).file("pmi", {"k": 6})
    before = Path(file).read_text()
    with caplog.at_level(logging.WARNING):
        assert Asked(tmp_path, dry_run=True).file("pmi", {"k": 5}) == [file]
    assert Path(file).read_text() == before
    assert "pmi: was made from other settings or files" in caplog.text


def test_files_of_ones_own_are_part_of_it(tmp_path: Path) -> None:
    """Also an older file in the place of another, and a file inside a folder."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.csv").write_text("ACGT,1")
    os.utime(folder / "train.csv", ns=(10**18, 10**18))
    first = signature([folder])
    (folder / "train.csv").write_text("ACGA,1")
    os.utime(folder / "train.csv", ns=(10**17, 10**17))
    assert signature([folder]) != first
    asked = Asked(tmp_path / "asked")
    (file,) = asked.file("tasks/mine/x", "", [folder])
    os.utime(file, ns=(1, 1))
    os.utime(folder / "train.csv", ns=(10**16, 10**16))
    asked.file("tasks/mine/x", "", [folder])
    assert Path(file).stat().st_mtime_ns > 1


@pytest.mark.parametrize(
    ("forced", "everything", "gone"),
    [
        (["pretrain"], False, {"pretrain/had", "pretrain/had@1"}),
        (["finetune", "table"], False, {"finetune/had"}),
        (["{results}/finetune/had/gue/H3"], False, {"finetune/had/gue/H3"}),
        ([], True, {"pretrain/had", "pretrain/had@1", "finetune/had", "linear/had"}),
        ([], False, set()),
    ],
)
def test_what_is_forced_has_no_kept_state(
    forced: list[str], everything: bool, gone: set[str], root: Path, tmp_path: Path
) -> None:
    runs = {"had": {"replicas": 2}}
    config = load_config(root, {"results": str(tmp_path), "runs": runs, "suites": {"gue": {}}})
    for name in ("pretrain/had", "pretrain/had@1", "finetune/had/gue/H3", "linear/had/gue/H3"):
        (tmp_path / "state" / name).mkdir(parents=True)
    (tmp_path / "state/pretrain/other").mkdir()
    forced = [name.format(results=tmp_path) for name in forced]
    removed = forget_states(config, forced, everything)
    assert {str(path.relative_to(tmp_path / "state")) for path in removed} == gone
    assert not any(path.exists() for path in removed)
