"""Results are complete or absent."""

from __future__ import annotations

import errno
import os
import platform
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dnastudents.errors import InputError
from dnastudents.files import (
    ANYTHING,
    atomic_directory,
    atomic_file,
    digest,
    protecting,
    read_json,
    read_parquet,
    sha256,
    write_json,
    write_parquet,
)


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "a" / "result.txt"
    with atomic_file(target) as partial:
        partial.write_text("done")
        assert not target.exists()
    assert target.read_text() == "done"
    assert [path.name for path in target.parent.iterdir()] == ["result.txt"]


def test_a_failure_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "result.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(target, ANYTHING) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    for text in ("first", "second"):
        with atomic_directory(target, "kind.json", "part_*") as partial:
            (partial / "kind.json").write_text(text)
            (partial / f"part_{text}").touch()
    assert sorted(path.name for path in target.iterdir()) == ["kind.json", "part_second"]
    with pytest.raises(RuntimeError), atomic_directory(target, "kind.json", "part_*") as partial:
        raise RuntimeError
    assert (target / "kind.json").read_text() == "second"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("names", "replaced"),
    [
        ([], True),
        ([".snakemake_timestamp"], True),
        (["kind.json"], True),
        (["kind.json", "part_1", ".snakemake_timestamp"], True),
        (["part_1"], False),
        (["kind.json", "notes.txt"], False),
        (["kind.json", ".git"], False),
        (["notes.txt"], False),
    ],
)
def test_which_folders_are_replaced(names: list[str], replaced: bool, tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    for name in names:
        (target / name).write_text("old")
    refused = pytest.raises(InputError, match=r"folder: holds .* is not such a result")
    with nullcontext() if replaced else refused, atomic_directory(target, "kind.json", "part_*"):
        pass
    assert sorted(path.name for path in target.iterdir()) == ([] if replaced else sorted(names))


def test_which_files_are_replaced(tmp_path: Path) -> None:
    target = tmp_path / "file.csv"
    target.write_text("run,task\nmine,1\n")
    for like, replaced in ((None, False), (b"run,seed", False), (b"run,task", True)):
        refused = pytest.raises(InputError, match=r"file\.csv: is there and not such a result")
        with nullcontext() if replaced else refused, atomic_file(target, like) as partial:
            partial.write_text("new")
        assert (target.read_text() == "new") == replaced
    with pytest.raises(InputError, match="is a device"), atomic_file("/dev/null", ANYTHING):
        pass
    with pytest.raises(InputError, match="is a folder"), atomic_file(tmp_path, ANYTHING):
        pass


def test_what_came_in_the_meantime_stays(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    with pytest.raises(InputError, match=r"holds notes\.txt"), atomic_directory(target, "kind"):
        target.mkdir()
        (target / "notes.txt").write_text("mine")
    assert (target / "notes.txt").read_text() == "mine"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("path", "relation"),
    [("in", "is the input"), (".", "holds the input"), ("in/a/b", "lies inside the input")],
)
@pytest.mark.parametrize("linked", [False, True])
def test_inputs_are_protected(path: str, relation: str, linked: bool, tmp_path: Path) -> None:
    (tmp_path / "in/a").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "in")
    source = tmp_path / ("link" if linked else "in")
    with protecting([source]):
        for write in (atomic_file, atomic_directory):
            with pytest.raises(InputError, match=f"{relation} {source}"), write(tmp_path / path):
                pass
        with atomic_file(tmp_path / "out") as partial:
            partial.touch()
    with atomic_directory(tmp_path / "in/a"):
        pass


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name in ("file", "folder"):
        (tmp_path / name).symlink_to(f"there/{name}")
    with atomic_file(tmp_path / "file") as partial:
        partial.write_text("done")
    with atomic_directory(tmp_path / "folder") as partial:
        (partial / "x").touch()
    assert all((tmp_path / name).is_symlink() for name in ("file", "folder"))
    assert (tmp_path / "there/file").read_text() == "done"
    assert [path.name for path in (tmp_path / "there/folder").iterdir()] == ["x"]


def test_a_folder_comes_back_when_its_successor_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "kind").write_text("old")
    rename = Path.rename

    def interrupted(self: Path, to: Path) -> Path:
        if to == target and "-old-" not in self.name:
            raise KeyboardInterrupt
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), atomic_directory(target, "kind"):
        pass
    assert (target / "kind").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_errors_of_the_disk_name_the_result(number: int, tmp_path: Path) -> None:
    """Whether Python says which file of ours it was, or not; or Rust, or a reader."""
    strerror = os.strerror(number)
    for write in (atomic_file, atomic_directory):
        for inside in (True, False):
            with pytest.raises(OSError, match=strerror) as caught, write(tmp_path / "x") as partial:
                raise OSError(number, strerror, *([str(partial / "y")] if inside else []))
            assert caught.value.filename == str(tmp_path / "x")
        with pytest.raises(OSError, match=strerror) as caught, write(tmp_path / "x"):
            raise RuntimeError(f"I/O error: (os error {number})")
        assert caught.value.filename == str(tmp_path / "x")
        with pytest.raises(OSError, match=strerror) as caught, write(tmp_path / "x"):
            raise OSError(number, strerror, "input.csv")
        assert caught.value.filename == "input.csv"
    assert not list(tmp_path.iterdir())


def test_leftovers_of_dead_writers_are_removed(tmp_path: Path) -> None:
    here, old = (
        tmp_path / f".result.txt.{kind}-{platform.node()}-99999999"
        for kind in ("partial", "partial-old")
    )
    elsewhere, forgotten = (tmp_path / f".result.txt.partial-gpu-{n}-1" for n in (1, 2))
    for leftover in (here, old, elsewhere, forgotten):
        leftover.write_text("half")
    os.utime(forgotten, (0, 0))
    with atomic_file(tmp_path / "result.txt") as partial:
        partial.write_text("done")
    assert sorted(tmp_path.iterdir()) == [elsewhere, tmp_path / "result.txt"]


def test_json_comes_back(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": [1, None]})
    assert read_json(tmp_path / "a.json") == {"b": [1, None]}
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match=r"a\.json: not valid JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "b.json")


def test_digests_are_those_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a").startswith("ba7816bf8f01cfea")
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})


def test_zeros_inside_a_table_are_told(tmp_path: Path) -> None:
    """Wherever they are: text of zeros would be read as text."""
    generator = np.random.default_rng(0)
    letters = generator.choice(list("ACGT"), (100, 50))
    frame = pd.DataFrame({"sequence": ["".join(row) for row in letters], "label": range(100)})
    write_parquet(frame, tmp_path / "whole.parquet")
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "whole.parquet"), frame)
    content, broken = (tmp_path / "whole.parquet").read_bytes(), tmp_path / "broken.parquet"
    for start in range(0, len(content), 200):
        zeros = bytes(len(content[start : start + 100]))
        broken.write_bytes(content[:start] + zeros + content[start + 100 :])
        try:
            found = read_parquet(broken)
        except InputError as error:
            assert str(error).startswith(f"{broken}: cannot be read (")
        else:  # of what says who has written it
            pd.testing.assert_frame_equal(found, frame)
