"""Files are found by whole names, archives are folders, and what lies is refused."""

from __future__ import annotations

import gzip
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from dnastudents.benchmarks.sources import Sources
from dnastudents.errors import InputError

TABLE = "sequence,label\nACGT,0\nNA,1\n"


def archive(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as handle:
        for name, content in members.items():
            handle.writestr(name, content)
    return path


def test_folder_file_and_archive_give_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "copy" / "GUE" / "tf" / "0"
    folder.mkdir(parents=True)
    (folder / "train.csv.gz").write_bytes(gzip.compress(TABLE.encode()))
    zipped = archive(tmp_path / "GUE.zip", {"GUE/tf/0/train.csv": TABLE})
    for path in (tmp_path / "copy", zipped, folder / "train.csv.gz"):
        files = Sources(path)
        table = files.table(files.require(["nothing.csv", "tf/0/train.csv"]))
        assert table["sequence"].tolist() == ["ACGT", "NA"]
        assert table["label"].tolist() == ["0", "1"]  # text, which labels make classes of


def test_only_whole_names_match_and_several_are_an_error(tmp_path: Path) -> None:
    names = ("a/my_train.csv", "b/c/train.csv", "d/train.csv")
    files = Sources(archive(tmp_path / "x.zip", dict.fromkeys(names, TABLE)))
    assert files.find(["c/train.csv", "d/train.csv"]) == f"{tmp_path}/x.zip/b/c/train.csv"
    assert files.find(["in.csv"]) is None
    listed = r"2 files match train\.csv: .*/x\.zip/b/c/train\.csv; .*/x\.zip/d/train\.csv; give"
    with pytest.raises(InputError, match=listed):
        files.find(["train.csv"])
    with pytest.raises(InputError, match=r"no e/train\.csv or f\.csv in .*x\.zip; download it"):
        files.require(["e/train.csv", "f.csv"])


def test_the_hash_follows_what_is_read(tmp_path: Path) -> None:
    files = Sources(archive(tmp_path / "x.zip", {"a.csv": TABLE, "b.csv": TABLE + "\n"}))
    before = files.sha256
    files.read(f"{tmp_path}/x.zip/a.csv")
    after = files.sha256
    files.read(f"{tmp_path}/x.zip/b.csv")
    assert len({before, after, files.sha256}) == 3


@pytest.mark.parametrize("name", ["../outside.csv", "/etc/x.csv", "a/../../x.csv", "C:/x.csv"])
def test_members_that_leave_the_archive(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="points outside of the archive"):
        Sources(archive(tmp_path / "x.zip", {name: TABLE}))


def test_links_in_archives(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as handle:
        member = zipfile.ZipInfo("train.csv")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        handle.writestr(member, "/etc/passwd")
    with pytest.raises(InputError, match=r"member 'train\.csv' is a link"):
        Sources(tmp_path / "x.zip")


def test_members_without_a_name_and_with_the_same(tmp_path: Path) -> None:
    assert Sources(archive(tmp_path / "x.zip", {".": "", "a.csv": TABLE})).find(["a.csv"])
    with zipfile.ZipFile(tmp_path / "y.zip", "w") as handle:
        handle.writestr("a.csv", TABLE)
        with pytest.warns(UserWarning, match="Duplicate name"):
            handle.writestr("a.csv", TABLE * 2)
    with pytest.raises(InputError, match=r"y\.zip: two members are named 'a\.csv'"):
        Sources(tmp_path / "y.zip")
    twice = archive(tmp_path / "z.zip", {"t/a.csv": TABLE, "t\\a.csv": TABLE * 2})
    with pytest.raises(InputError, match=r"z\.zip: two members are named 't/a\.csv'"):
        Sources(twice)


def test_encrypted_members(tmp_path: Path) -> None:
    content = bytearray(archive(tmp_path / "x.zip", {"a.csv": TABLE}).read_bytes())
    content[6] |= 1  # the flag, in the member's header and in the central directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.zip: member 'a\.csv' cannot be read \(.*password"):
        Sources(tmp_path / "x.zip").read(f"{tmp_path}/x.zip/a.csv")


def test_damaged_files(tmp_path: Path) -> None:
    whole = archive(tmp_path / "x.zip", {"a.csv": TABLE * 100}).read_bytes()
    (tmp_path / "x.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a zip archive"):
        Sources(tmp_path / "x.zip")
    broken = bytearray(whole)
    broken[60] ^= 255
    (tmp_path / "y.zip").write_bytes(broken)
    with pytest.raises(InputError, match=r"member 'a\.csv' is damaged"):
        Sources(tmp_path / "y.zip").read(f"{tmp_path}/y.zip/a.csv")
    (tmp_path / "z.zip").write_text("<!DOCTYPE html><html>Quota exceeded</html>")
    with pytest.raises(InputError, match="a web page, not an archive; download it again"):
        Sources(tmp_path / "z.zip")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(TABLE.encode() * 100)[:-20])
    with pytest.raises(InputError, match="damaged gzip"):
        Sources(tmp_path / "t.csv.gz").read(f"{tmp_path.as_posix()}/t.csv.gz")
    (tmp_path / "t.csv").write_text("<html><body>Sign in</body></html>")
    with pytest.raises(
        InputError, match=r"t\.csv: a web page, not what its name says; download it"
    ):
        Sources(tmp_path / "t.csv").table(f"{tmp_path.as_posix()}/t.csv")
    with pytest.raises(InputError, match="no such file or folder"):
        Sources(tmp_path / "absent.zip")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"sequence,label,sequence\nACGT,0,TTTT\n", "two columns are named 'sequence'; rename"),
        (b"sequence,label, label\nACGT,0,1\n", "two columns are named 'label'"),
        (b"sequence,label\nACGT,GGGG,0\nACCT,GGGG,1\n", "Expected 2 fields in line 2, saw 3"),
        (b"sequence,label\n", "holds a header and no row; the file may be cut short"),
        ("sequence,label\nACGT,0\n".encode("utf-16"), "is in UTF-16, not a table of text; save"),
        (b"PK\x03\x04" + b"x,y\n" * 9, "is a zip archive or a spreadsheet, not a table of text"),
        (b"PAR1\x15\x04,\n,\n", "is Parquet, not a table of text; save it as CSV in UTF-8"),
        (b"BZh91AY&SY,\n,\n", "is packed by bzip2"),
        (b"sequence,label\nACGT,0\nAC\0\0,1\n", r"t\.csv, line 3: holds a zero byte, so it is d"),
        (b"sequence,label\nACGT,\xe9\n", "is not in UTF-8 .*; save it so"),
    ],
)
def test_tables_that_could_be_read_in_two_ways(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        Sources(tmp_path).table(f"{tmp_path.as_posix()}/t.csv")


def test_columns_without_a_name_are_kept_apart(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'\xef\xbb\xbf,"sequence ",label,\n0,ACGT,1,x\n')
    table = Sources(tmp_path / "t.csv").table(f"{tmp_path.as_posix()}/t.csv")
    assert list(table.columns[:4]) == ["column 1", "sequence", "label", "column 4"]
    assert table.iloc[0, :4].tolist() == ["0", "ACGT", "1", "x"]


def test_quotes_behind_a_blank_are_quotes(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('sequence, "label"\n"ACGT", "a, b"\nACCT,c\n')
    table = Sources(tmp_path / "t.csv").table(f"{tmp_path.as_posix()}/t.csv")
    assert table[["sequence", "label"]].values.tolist() == [["ACGT", "a, b"], ["ACCT", "c"]]


def test_folders_that_are_linked_into_one_are_searched(tmp_path: Path) -> None:
    (tmp_path / "real/t").mkdir(parents=True)
    (tmp_path / "real/t/train.csv").write_text(TABLE)
    (tmp_path / "given").mkdir()
    (tmp_path / "given/linked").symlink_to(tmp_path / "real")
    (tmp_path / "real/circle").symlink_to(tmp_path / "given")
    (tmp_path / "given/.hidden").symlink_to(tmp_path / "real")
    found = Sources(tmp_path / "given")
    assert found.task_folder(["t"], ["train.csv"]) == f"{tmp_path.as_posix()}/given/linked/t"


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "train.csv"])
def test_tar_archives(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_text(TABLE)
    with tarfile.open(tmp_path / name, "w:gz" if name.endswith("gz") else "w") as handle:
        handle.add(tmp_path / "a.csv", "../a.csv")
    with pytest.raises(InputError, match=f"{name}: is a tar archive; unpack it"):
        Sources(tmp_path / name)
