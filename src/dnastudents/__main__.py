"""`python -m dnastudents`, and the command `dnastudents`."""

# ruff: noqa: PTH100, PTH109, PTH120
# pathlib would be imported from the working folder

import os
import sys


def run() -> int:
    """Run the command line."""
    try:
        _shield_imports()
        from dnastudents import garbage

        garbage.seldom()
        from dnastudents.cli import main
        from dnastudents.environment import FIGURES, clean

        clean(*FIGURES)
        status = main()
        garbage.never_more()
        return status
    except KeyboardInterrupt:
        print("dnastudents: error: interrupted", file=sys.stderr)
        return 130


def _shield_imports() -> None:
    """Import nothing from the working folder, where a `random.py` would take the library's place.

    Nor may the processes that this one starts. Python puts that folder in front of all others, and
    an empty entry of PYTHONPATH stands for it.
    """
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    try:
        here = os.getcwd()
    except FileNotFoundError:  # it has been removed
        here = ""
    given = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if here == package:
        given.insert(0, here)
    else:
        sys.path[:] = [path for path in sys.path if path and os.path.abspath(path) != here]
    os.environ["PYTHONPATH"] = os.pathsep.join(given)
    os.environ["PYTHONSAFEPATH"] = "1"


if __name__ == "__main__":
    sys.exit(run())
