"""How much CPU time commands take before they begin: Python, the parser, imports, and the end.

Each command gets inputs that are not there, so it imports what it needs and fails in one line. The
other side imports the libraries that it cannot do without, and nothing else. To compare with
another checkout, name its sources: `PYTHONPATH=other/src python benchmarks/start.py`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from timing import Row, hardware, report

LEARNS = "import pandas, torch, transformers.modeling_utils"
COUNTS = "import pandas"
DRAWS = "import matplotlib.pyplot, pandas"
# Arguments with nothing behind them, and what cannot be done without.
COMMANDS = {
    "pretrain run --state state --output out": LEARNS,
    "finetune run --pretrained none --task none --state state --output out": LEARNS,
    "embed none none.csv --output out.npz": LEARNS,
    "knn run --pretrained none --task none --output out": LEARNS,
    "baseline --task none --output out": "import pandas, sklearn.linear_model",
    "metrics none --runs run --tasks suite/task --output out.csv": COUNTS,
    "table suite --metrics none.csv --tasks task --output out.csv": COUNTS,
    "comparisons --metrics none.csv --pairs a:b --output out.csv": COUNTS,
    "page none --output out.html": DRAWS,
    "figure overview none.csv --output out.png": DRAWS,
    "figure losses none --output out.png": DRAWS,
    "figure tsne none.npz --runs run --task none --output out.png": (
        "import matplotlib.pyplot, pandas, sklearn.manifold"
    ),
}


def cpu_seconds(arguments: list[str], folder: Path, status: int) -> float:
    """User and system time of `python ARGUMENTS` and its children, in an empty folder."""
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, ended, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(ended)
    if process.returncode != status:
        sys.exit(f"start.py: {shlex.join(arguments)}: status {process.returncode}: {said}")
    return usage.ru_utime + usage.ru_stime


def start_row(command: str, libraries: str, turns: int) -> Row:
    """The command against its libraries, in turn; the least of each, as another job only adds."""
    ours, bare = [], []
    for _ in range(turns):
        with tempfile.TemporaryDirectory() as temporary:
            arguments = ["-m", "dnastudents", *command.split()]
            ours.append(cpu_seconds(arguments, Path(temporary), 1))
            bare.append(cpu_seconds(["-c", libraries], Path(temporary), 0))
    name = " ".join(command.split()[: 2 if command.startswith("figure") else 1])
    text = f"start of {name}, against {libraries.removeprefix('import ')}"
    return Row(text, min(ours), min(bare), min(ours) / min(bare), "", "CPU s")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--turns", type=int, default=5, help="repetitions")
    parser.add_argument("--quick", action="store_true", help="one turn of two commands")
    options = parser.parse_args()
    torch.set_num_threads(1)
    machine = hardware(torch.device("cpu"))
    chosen = dict(list(COMMANDS.items())[5:7]) if options.quick else COMMANDS
    turns = 1 if options.quick else options.turns
    rows = [start_row(command, libraries, turns) for command, libraries in chosen.items()]
    report("Start of commands", rows, machine, options.json)


if __name__ == "__main__":
    main()
