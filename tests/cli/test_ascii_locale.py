"""In a locale that knows ASCII only, what is printed is UTF-8, and no letter is a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "dnastudents", *arguments],
        env=os.environ | ASCII,
        capture_output=True,
        check=False,
    )


def test_what_is_printed_is_utf_8(root: Path) -> None:
    done = run("config", "docs")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (root / "docs/configuration.md").read_bytes()
    assert "≥" in done.stdout.decode()


def test_a_path_of_other_letters_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("results: é\n", encoding="utf-8")
    done = run("config", "show", "--configfile", str(tmp_path / "my.yaml"))
    assert done.returncode == 1
    (line,) = done.stderr.decode("ascii").splitlines()
    assert line.endswith(
        r"results: is '\xe9', and the locale has no such letters; set LC_ALL=C.UTF-8"
    )
