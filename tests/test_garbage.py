"""Imports are hardly searched for garbage, and training is searched as ever."""

from __future__ import annotations

import subprocess
import sys

import pytest

SEARCHES = "sum(each['collections'] for each in gc.get_stats())"


def printed(code: str) -> list[str]:
    """The words that a new process prints."""
    code = f"import gc\nfrom dnastudents.garbage import never_more, quick_imports, seldom\n{code}"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return shown.stdout.split()


@pytest.mark.parametrize(("first", "least", "most"), [("pass", 100, 2000), ("seldom()", 1, 20)])
def test_what_tables_import_is_searched_a_few_times(first: str, least: int, most: int) -> None:
    code = f"{first}\nbefore = {SEARCHES}\nimport dnastudents.tables.results"
    (count,) = printed(f"{code}\nprint({SEARCHES} - before)")
    assert least <= int(count) <= most


def test_heavy_imports_are_not_searched_and_what_follows_is_as_ever() -> None:
    code = f"""
usual = gc.get_threshold()
seldom()
before = {SEARCHES}
with quick_imports():
    import pandas
    print({SEARCHES} - before)
print(gc.isenabled(), gc.get_threshold() == usual, gc.get_freeze_count() > 10_000)
"""
    assert printed(code) == ["0", "True", "True", "True"]


def test_nothing_is_searched_at_the_end() -> None:
    count, left = printed("import pandas\nnever_more()\nprint(gc.get_freeze_count(), gc.collect())")
    assert int(count) > 10_000
    assert left == "0"
