"""What made a result: the commit of this package, and the versions of what computes beside it."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import dnastudents
from dnastudents.files import digest, read_json, sha256, write_json

VARIABLE = "DNASTUDENTS_COMMIT"  # `str(code())` of a process that has git, for those that have none
FILE = "provenance.json"
WEIGHTS = "model.safetensors"
LEARNING = ("torch", "transformers", "accelerate")
_SECONDS = 5.0  # that git may take, as on a slow file system


class Code(NamedTuple):
    """The code of this package.

    Attributes
    ----------
    commit : str or None
        Full hash; None where the package is not in a git work tree.
    dirty : bool or None
        Whether the package has files that are not as in the commit.
    """

    commit: str | None = None
    dirty: bool | None = None

    def __str__(self) -> str:
        """The hash, with `-dirty` behind it; empty where there is none."""
        return (self.commit or "") + ("-dirty" if self.dirty else "")


@lru_cache(maxsize=1)
def code() -> Code:
    """The commit, asked of git once per process.

    Where git has no answer it is what the environment says, else a Code of None.
    """
    try:
        # An installed package may lie in the work tree of another project, which does not track it.
        _git("ls-files", "--error-unmatch", Path(__file__).name)
        return Code(_git("rev-parse", "HEAD").strip(), bool(_git("status", "--porcelain", ".")))
    except (OSError, subprocess.SubprocessError):
        commit, _, dirty = os.environ.get(VARIABLE, "").partition("-")
        return Code(commit, dirty == "dirty") if commit else Code()


def hand_down() -> None:
    """Tell the processes that this one starts, which may have no git, what code it is."""
    if known := str(code()):
        os.environ[VARIABLE] = known


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Digest of the package's modules: tells whether code is other code, with git or without."""
    package = Path(__file__).parent
    return digest({str(file.relative_to(package)): sha256(file) for file in package.rglob("*.py")})


def _git(*arguments: str) -> str:
    # Hooks set GIT_DIR; and `status` of many jobs at once must not wait for the index.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    return subprocess.run(
        ["git", *arguments],
        cwd=Path(__file__).parent,
        env=environment | {"GIT_OPTIONAL_LOCKS": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=_SECONDS,
    ).stdout


def made_by(*libraries: str) -> dict[str, Any]:
    """Who makes a result: `versions` of Python, this package and libraries, `commit`, `dirty`."""
    ours = {"dnastudents": dnastudents.__version__, "python": platform.python_version()}
    return {"versions": ours | {name: version(name) for name in libraries}, **code()._asdict()}


def write_provenance(folder: Path, *libraries: str, **facts: Any) -> None:
    """Write who makes a result, other facts and the SHA-256 of a model into its folder."""
    weights = folder / WEIGHTS
    kept = {"weights": {WEIGHTS: sha256(weights)}} if weights.is_file() else {}
    write_json(folder / FILE, {**facts, **kept, **made_by(*libraries)})


def is_intact(weights: Path) -> bool:
    """Return whether a file of weights has the SHA-256 that was kept of it; True where none was."""
    file = weights.parent / FILE
    facts = read_json(file) if file.is_file() else {}
    kept = facts.get("weights") if isinstance(facts, dict) else None
    known = kept.get(weights.name) if isinstance(kept, dict) else None
    return known is None or known == sha256(weights)
