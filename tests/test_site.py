"""The documentation: reference is that of the code, and the site builds and needs no network."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pytest

from dnastudents.cli import pages
from dnastudents.config import export

HAS_MKDOCS = all(find_spec(name) for name in ("mkdocs", "material", "mkdocstrings"))


@pytest.mark.parametrize(
    ("page", "made", "name"),
    [
        (export.COLUMNS_PAGE, export.columns, "metrics"),
        (pages.PAGE, pages.commands, "commands"),
    ],
)
def test_reference_is_up_to_date(root: Path, page: str, made: Callable[[], str], name: str) -> None:
    written = (root / page).read_text(encoding="utf-8")
    assert written == made(), f"run `dnastudents config docs {name} > {page}`"


def test_errors_in_the_questions_are_those_of_the_code(root: Path) -> None:
    """`...` stands for what the code fills in."""
    code = "".join(path.read_text(encoding="utf-8") for path in sorted(root.glob("src/**/*.py")))
    joined = re.sub(r'"\s*\n\s*f?"', "", code)  # a message over several lines
    text = (root / "docs/faq.md").read_text(encoding="utf-8")
    named = [name for bold in re.findall(r"\*\*(`.*?)\*\*", text) for name in bold.split("`, `")]
    parts = [part.strip(" `") for name in named for part in name.split("...")]
    assert len(named) > 10
    assert [part for part in parts if part not in joined] == []


class Loaded(HTMLParser):
    """Collects what a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note scripts, pictures and style sheets."""
        values = dict(attrs)
        if tag in ("script", "img", "iframe", "source"):
            self.found.append(values.get("src") or "")
        if tag == "link" and values.get("rel") in ("stylesheet", "preload", "icon"):
            self.found.append(values.get("href") or "")


@pytest.mark.skipif(not HAS_MKDOCS, reason="needs `pip install '.[docs]'`")
def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(
    root: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    built = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-3000:]
    written = sorted((tmp_path / "site").rglob("*.html"))
    assert len(written) > 20
    for page in written:
        loaded = Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert not [place for place in loaded.found if re.match(r"(https?:)?//", place)], page
    api = (tmp_path / "site/api.html").read_text(encoding="utf-8")
    assert "dnastudents.inference.predict.predict" in api
