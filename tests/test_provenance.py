"""The commit of the code: from git, from the environment, or not known; never a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnastudents import provenance
from dnastudents.provenance import VARIABLE, Code, code, code_digest, hand_down, made_by


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ask once more in each test, and in no later one keep what was found here."""
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.delenv(VARIABLE)  # and whatever a test sets is gone behind it
    code.cache_clear()
    code_digest.cache_clear()
    yield
    code.cache_clear()
    code_digest.cache_clear()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git work tree with the module in it, committed."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    package = tmp_path / "src" / "package"
    package.mkdir(parents=True)
    (package / "provenance.py").write_text("a = 1\n")
    (tmp_path / "README").write_text("read me\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    command = ["git", *who, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def test_a_clean_checkout_has_its_commit(checkout: Path) -> None:
    (checkout / "README").write_text("not of the package\n")
    head = git(checkout, "rev-parse", "HEAD").strip()
    assert code() == Code(head, False)
    assert str(code()) == head
    assert {"commit": head, "dirty": False}.items() <= made_by().items()


@pytest.mark.parametrize("name", ["provenance.py", "new.py"])
def test_changed_and_new_files_of_the_package_make_it_dirty(checkout: Path, name: str) -> None:
    before = code_digest()
    code_digest.cache_clear()
    (checkout / "src/package" / name).write_text("a = 2\n")
    assert code().dirty is True
    assert str(code()).endswith("-dirty")
    assert code_digest() != before


def test_git_is_asked_once(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = code()
    monkeypatch.setattr(provenance, "_git", lambda *_: pytest.fail("asked again"))
    assert code() == first


def test_a_package_that_the_work_tree_does_not_track_has_no_commit(checkout: Path) -> None:
    git(checkout, "rm", "-q", "-r", "--cached", "src")  # as in a virtual environment
    assert code() == Code(None, None)
    assert str(code()) == ""


@pytest.mark.parametrize(
    "error",
    [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 5)],
    ids=["absent", "slow"],
)
def test_a_git_that_does_not_answer_fails_no_job(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: object, **options: object) -> None:
        assert options["timeout"]
        raise error

    monkeypatch.setattr(subprocess, "run", run)
    assert code() == Code(None, None)


def no_git(*_: str) -> str:
    raise FileNotFoundError("git")


@pytest.mark.parametrize("given", [Code("0" * 40, True), Code("0" * 40, False), Code(None, None)])
def test_the_environment_carries_it_to_where_no_git_is(
    given: Code, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "_git", no_git)
    monkeypatch.setenv(VARIABLE, str(given))
    assert code() == given


def test_git_is_believed_before_the_environment(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may have changed since the process that wrote the environment began."""
    hand_down()
    assert os.environ[VARIABLE] == git(checkout, "rev-parse", "HEAD").strip()
    (checkout / "src/package/provenance.py").write_text("a = 2\n")
    code.cache_clear()
    assert code().dirty is True


def test_a_copy_without_git_keeps_the_commit(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = code()
    hand_down()
    shutil.rmtree(checkout / ".git")  # as in a container, or a shadow directory
    code.cache_clear()
    assert code() == known != Code()


def test_what_is_not_known_is_not_handed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_git", no_git)
    hand_down()
    assert VARIABLE not in os.environ


def test_versions_name_the_libraries() -> None:
    versions = made_by("scipy", "scikit-learn")["versions"]
    assert list(versions) == ["dnastudents", "python", "scipy", "scikit-learn"]
