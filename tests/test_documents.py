"""What the documents name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = "src|tests|workflow|demo|studies|docs|slurm|envs"
PAGES = [
    *(
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "results/README.md")
    ),
    *sorted(ROOT.glob("docs/*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_and_links_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    linked = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    named = re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", text)
    absent = [link for link in linked if not (page.parent / link).exists()]
    absent += [path for path in named if not (ROOT / path).exists()]
    assert absent == []
