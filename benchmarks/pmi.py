"""How fast and how small the counting of k-mers is, and how near its ranking is to the published.

Counting runs in a fresh process without torch, as its workers do, which also tells peak memory.
Speeds are of a large genome, the reference repeated, so that the start of processes counts little;
so does the comparison of memory. A Python Counter twin counts a slice, scaled by bases. Jellyfish
and KMC, where installed, count only k-mers of one size, on one strand as we do, from the same bases
as FASTA in the page cache, with as many threads, and write a file; their counts must be ours. We
count all sizes up to it from codes; the time to make those from FASTA is added where the row says
so.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from timing import Row, always, hardware, interleaved, report

from dnastudents.genome.codes import decode, encode, kmer_codes
from dnastudents.genome.reference import Reference, build
from dnastudents.pmi import PmiSettings, count_kmers, rank_table, table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/pmi"))
from plain_kmers import kmers, plain_counts

CPU = torch.device("cpu")
PROCESSES = (1, 2)
SIZES = (6, 10)
SMALL = 150_000_000  # bases of the repeated reference, at least: enough to start two processes for
LARGE = 1_000_000_000

# Prints seconds, and the peaks in bytes of the process and of its largest worker.
CHILD = """
import json, resource, sys, time
import numpy as np
from dnastudents.pmi import count_kmers
path, ends, max_k, processes = sys.argv[1], json.loads(sys.argv[2]), *map(int, sys.argv[3:])
codes = np.load(path, mmap_mode="r")
stretches = [codes[start:end] for start, end in zip([0, *ends], ends)]
start = time.perf_counter()
count_kmers(stretches, max_k, processes)
seconds = time.perf_counter() - start
status = open("/proc/self/status").read().split()
own = 1024 * int(status[status.index("VmHWM:") + 1])
worker = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([seconds, own, worker]))
"""


def run_child(path: Path, ends: list[int], max_k: int, processes: int) -> list[float]:
    """Seconds, peak bytes, peak bytes of the largest worker (0 without)."""
    numbers = [str(max_k), str(processes)]
    command = [sys.executable, "-c", CHILD, str(path), json.dumps(ends), *numbers]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def repeated(reference: Reference, folder: Path, bases: int) -> tuple[Path, list[int]]:
    """The codes of a reference, end to end until there are that many, and where its records end."""
    times = -(-bases // len(reference.codes))
    once = np.cumsum(reference.lengths)
    path = folder / f"{times}.npy"
    shape = (times * len(reference.codes),)
    codes = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    codes.reshape(times, -1)[:] = reference.codes
    codes.flush()
    return path, (once + np.arange(times)[:, None] * len(reference.codes)).ravel().tolist()


def speed_and_memory_rows(reference: Reference, folder: Path, turns: int) -> list[Row]:
    """Codes a second and peak memory, for one and two processes."""
    genomes = [repeated(reference, folder, size) for size in (SMALL, LARGE)]
    cases = [(k, processes) for k in SIZES for processes in PROCESSES]
    small, large = ({case: [] for case in cases} for _ in genomes)
    for _ in range(turns):
        for runs, genome in zip((small, large), genomes, strict=True):
            for case in cases:
                runs[case].append(run_child(*genome, *case))
    less, more = (ends[-1] / 1e6 for _, ends in genomes)
    speeds = {case: more / median(run[0] for run in large[case]) for case in cases}
    rows = []
    for k, processes in cases:
        name = f"counts of n = 1..{k}, {processes} process(es), {more:.0f} Mbp; other: 1 process"
        promised = k == 6 and processes == 2
        ours, one = speeds[k, processes], speeds[k, 1]
        ratio, target = (ours, ">= 100") if promised else (ours / one, "")
        rows.append(Row(name, ours, one, ratio, target, "Mbp/s"))
    for k, processes in cases:
        name = f"peak memory, n = 1..{k}, {processes} process(es) together"
        name += f", {more:.0f} Mbp; other: {less:.0f} Mbp"
        most, least = (
            max(own + processes * worker for _, own, worker in runs[k, processes]) / 2**20
            for runs in (large, small)
        )
        rows.append(Row(name, most, least, most / 1024, "< 1", "MiB (ratio: GiB)"))
    return rows


def twin_rows(reference: Reference, turns: int) -> list[Row]:
    """Against windows of text in a Python Counter, on a slice of a record."""
    longest = reference.names[int(np.argmax(reference.lengths))]
    bases = 500_000
    codes = reference.sequence(longest)[:bases].copy()
    text = decode(codes)

    def twin() -> list[Counter[str]]:
        return [plain_counts([text], n) for n in range(1, 7)]

    ours = count_kmers([codes], 6)
    for n, expected in enumerate(twin(), 1):
        assert ours[n].tolist() == [expected[word] for word in kmers(n)]
    # Ours on a whole record: a slice would flatter the twin, which has no start-up.
    whole = reference.sequence(longest)
    calls = {"ours": always(partial(count_kmers, [whole], 6)), "twin": always(twin)}
    seconds = interleaved(calls, turns, CPU)
    mine, other = len(whole) / 1e6 / seconds["ours"], len(codes) / 1e6 / seconds["twin"]
    name = "counts of n = 1..6, 1 process; other: Python Counter"
    return [Row(name, mine, other, mine / other, ">= 20", "Mbp/s")]


def tool_rows(reference: Reference, folder: Path, turns: int) -> list[Row]:
    """Against jellyfish and KMC, where installed, with two threads."""
    fasta = folder / "genome.fa"
    with fasta.open("w") as handle:
        for name in reference.names:
            handle.write(f">{name}\n{decode(reference.sequence(name))}\n")
    bases = len(reference.codes) / 1e6
    rows = []
    for k in SIZES:
        theirs = tools(k, fasta, folder)
        expected = count_kmers(reference, k)[k]
        for name, (count, dump) in theirs.items():
            count()
            assert (dumped(dump(), k) == expected).all(), name
        calls = {name: always(count) for name, (count, _) in theirs.items()}
        calls["ours"] = always(partial(count_kmers, reference, k, 2))
        calls["build"] = always(partial(build, fasta, folder / "built"))
        seconds = interleaved(calls, turns, CPU)
        ours, from_fasta = seconds["ours"], seconds["ours"] + seconds["build"]
        for name in theirs:
            other = bases / seconds[name]
            what = f"counts of n = 1..{k}; other: {name}, n = {k} only, 2 threads"
            for note, own in (("", ours), (" (ours with the reference made)", from_fasta)):
                rows.append(Row(what + note, bases / own, other, seconds[name] / own, "", "Mbp/s"))
    return rows


Tool = tuple[Callable[[], object], Callable[[], str]]


def tools(k: int, fasta: Path, folder: Path) -> dict[str, Tool]:
    """Name of an installed counter to what counts, and what then gives lines of k-mer and count."""

    def run(command: str, *arguments: object) -> str:
        parts = [command, *map(str, arguments)]
        return subprocess.run(parts, check=True, capture_output=True, text=True).stdout

    def kmc_dump() -> str:
        run("kmc_tools", "transform", folder / "kmc", "dump", folder / "kmc.txt")
        return (folder / "kmc.txt").read_text()

    table_file, size = folder / "jf", 4 ** (k + 1)
    jellyfish = ("count", "-m", k, "-s", size, "-t", 2, "-c", 24, "-o", table_file, fasta)
    # -b: no canonical form; -ci, -cs, -cx: no k-mer too rare or too frequent
    limits = ("-ci1", "-cs4294967295", "-cx4294967295")
    kmc = (f"-k{k}", "-b", *limits, "-fm", "-t2", "-hp", fasta, folder / "kmc", folder)
    known: dict[str, Tool] = {
        "jellyfish": (
            partial(run, "jellyfish", *jellyfish),
            partial(run, "jellyfish", "dump", "-c", table_file),
        ),
        "kmc": (partial(run, "kmc", *kmc), kmc_dump),
    }
    return {name: tool for name, tool in known.items() if shutil.which(name)}


def dumped(lines: str, k: int) -> np.ndarray:
    """Counts by number from lines of k-mer and count: int64 (4**k,)."""
    words = lines.split()
    counts = np.zeros(4**k, dtype=np.int64)
    codes = encode("".join(words[::2])).reshape(-1, k)
    counts[kmer_codes(codes, k)[:, 0]] = np.array(words[1::2], dtype=np.int64)
    return counts


def agreement(ours: np.ndarray, published: Path) -> dict[str, float]:
    """How far ranks of 6-mers are from those of a CSV with `ngram` and `norm_pmi_rank_rel`."""
    columns = {"norm_pmi_rank_rel": "rank"}
    theirs = rank_table(pd.read_csv(published).rename(columns=columns))
    return {
        "spearman": float(spearmanr(ours, theirs).statistic),
        "equal": float((ours == theirs).mean()),
        "largest_difference": float(np.abs(ours - theirs).max()),
        "top_400": float(((ours <= 400) & (theirs <= 400)).sum() / 400),
    }


def agreement_rows(reference: Reference, published: Path) -> list[Row]:
    """The ranking of a part and of the whole of the reference beside the published one."""
    chromosomes = {name.partition(":")[0] for name in reference.names}
    first = sorted(chromosomes & {"chr1", "chr2", "chr3"})
    rows = []
    for spec in ([first] if first else []) + [["all"]]:
        spans = map(reference.span, reference.intervals(spec))
        counts = count_kmers([reference.codes[start:end] for start, end in spans], 6)
        for threshold in (101.0, "scaled"):
            settings = PmiSettings(threshold=threshold)
            rare = f"{settings.minimum_count(int(counts[1].sum())):.3g}"
            measured = agreement(rank_table(table(counts, settings)), published)
            for key, value in measured.items():
                name = f"published ranking, {'+'.join(spec)}, threshold {rare}: {key}"
                rows.append(Row(name, value, None, None, "", ""))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--reference", type=Path, required=True, help="folder of a reference")
    parser.add_argument("--published", type=Path, help="CSV of the published ranking")
    parser.add_argument("--turns", type=int, default=5, help="repetitions")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    machine: dict[str, Any] = hardware(CPU)
    reference = Reference.open(arguments.reference)
    for name, flag in (("jellyfish", "--version"), ("kmc", "--version")):
        if shutil.which(name):
            said = subprocess.run([name, flag], capture_output=True, text=True).stdout
            machine[name] = said.splitlines()[0].removeprefix("K-Mer Counter (KMC) ")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = speed_and_memory_rows(reference, folder, arguments.turns)
        rows += twin_rows(reference, arguments.turns)
        rows += tool_rows(reference, folder, arguments.turns)
    if arguments.published:
        rows += agreement_rows(reference, arguments.published)
    report("PMI: counting k-mers", rows, machine, arguments.json)


if __name__ == "__main__":
    main()
