"""Where the files of the workflow are, and a new project that uses them.

In a checkout they are its top-level folders; a wheel holds a copy of them (see setup.py).
"""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from dnastudents.benchmarks.facts import Metric
from dnastudents.benchmarks.own_tables import task_tables
from dnastudents.errors import InputError
from dnastudents.files import atomic_file
from dnastudents.genome.records import Record, Records, check_splits
from dnastudents.settings import Name, parse
from dnastudents.yaml_files import in_one_line

SNAKEFILE = """\
# The workflow of the installed package dnastudents, changed by config.yaml. Rules of your own for
# benchmarks go to workflow/rules/benchmarks/SUITE.smk.
from dnastudents import project


configfile: "config.yaml"


module dnastudents:
    snakefile:
        project.snakefile()
    config:
        config


use rule * from dnastudents
"""
START = """\
# What this project changes in the papers' configuration, the config.yaml of dnastudents.
# `runs` and `suites` select: only what they name is run. Paths are relative to this folder.
results: results
runs:
  findna:%(run)s
  findna_scratch: {}        # the same student without pretraining
"""
GENOME = """
genome: mine
references:
  mine:
    fasta: %(fasta)s
    splits:                 # %(what)s; what is held out is near a tenth of all bases
%(splits)s
pmi: {sequences: %(train)s, threshold: scaled}  # for runs whose masks follow it
"""
# A genome of a bacterium would be read a thousand times in the papers' number of updates.
SMALL = """
students:                   # small, as the genome is; without this block it is the papers'
  findna:
    max_length: 510         # 500 bases and 10 CLS positions
    track_size: 12
    hidden_size: 128
    blocks: 2
    finetuning: {learning_rate: 1.0e-3, weight_decay: 0.01, warmup_fraction: 0.1}
"""
SMALL_RUN = """
    objective: {momentum: 0.98}     # a short run needs a teacher that follows sooner
    pretraining:
      steps: %(steps)d           # reads the genome %(epochs)d times; 200 are enough to try it out
      batch_size: %(batch)d
      window: {kind: windows, length: %(length)d}
      reverse_complement: 0.5
      optimizer: {learning_rate: 1.0e-3, weight_decay: 0.01}
      schedule: {kind: cosine, warmup_fraction: 0.1}
      evaluate_every: %(often)d
      validation_sequences: 128"""
SUITE = """
suites:                     # metric: accuracy, mcc, f1 (of class 1) or f1_macro
  mine:
    csv: %(csv)s
    tasks: %(tasks)s
    metric: %(metric)s
    seeds: [0, 1, 2]
%(finetuning)sfigures: {tsne: {tasks: [%(figure)s]}}
"""
FEW_ROWS = "    finetuning: {epochs: 20}        # there are few sequences\n"
SMALLEST = 1 / 20  # of the longest sequence; shorter ones are left out of the splits
HELD_OUT = 1 / 10  # of all bases
SMALL_GENOME = 20_000_000  # bases; what trains on less gets a small student
LENGTH, BATCH, EPOCHS = 500, 32, 30  # of its windows, updates and passes
FEW = 2000  # sequences of a task
INDEX = "results/fasta_index"  # where the workflow looks for it


def root() -> Path:
    """Find the folder of config.yaml and workflow/."""
    package = Path(__file__).resolve().parent
    packaged = package / "project_files"
    return packaged if packaged.is_dir() else package.parents[1]


def snakefile() -> str:
    """Find the workflow, for the `module` statement of another Snakefile."""
    return str(root() / "workflow/Snakefile")


def init(
    folder: Path,
    fasta: Path | None = None,
    csv: Path | None = None,
    metric: Metric = "accuracy",
) -> None:
    """Lay out a project: a Snakefile, a config.yaml of few lines, and the profiles.

    Parameters
    ----------
    folder : Path
        A folder that is empty or not there yet.
    fasta : Path, optional
        Genome to pretrain on. Default is that of the papers.
    csv : Path, optional
        Folder of TASK/train.csv and TASK/test.csv. Default is the benchmarks of the papers.
    metric : {"accuracy", "mcc", "f1", "f1_macro"}
        What the tables of these tasks show, and what selects on dev. Default is accuracy.

    Raises
    ------
    InputError
        The folder is not empty, the FASTA is damaged or too short, or the folder of CSV files holds
        no task, or one whose name a configuration cannot have.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: is not empty; name a new folder")
    if fasta is not None:
        _require_fasta(fasta)
    suite = "" if csv is None else _suite(csv, metric)
    with TemporaryDirectory() as index:  # where there can be none beside the FASTA
        config = START % {"run": " {}"} if fasta is None else _genome(fasta, Path(index))
        _lay_out(folder, config + suite, Path(index))


def _lay_out(folder: Path, config: str, index: Path) -> None:
    """Write the files of a project, all or none."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if any(index.iterdir()):
            shutil.copytree(index, folder / INDEX)
        for name, text in {"Snakefile": SNAKEFILE, "config.yaml": config}.items():
            with atomic_file(folder / name) as partial:
                partial.write_text(text, encoding="utf-8")
        for name in ("profiles", "slurm"):
            shutil.copytree(root() / name, folder / name)
    except BaseException:
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if is_new:  # the other may be the working folder
            folder.rmdir()
        raise


def _require_fasta(fasta: Path) -> None:
    """Refuse what does not even begin as a FASTA, before an index of it is announced."""
    from dnastudents.genome.fasta import read_fasta

    next(read_fasta(fasta))


def _genome(fasta: Path, folder: Path) -> str:
    """Write the runs, and the genome that they learn from."""
    from dnastudents.genome.index import read_records

    records = read_records(fasta, folder)
    splits, what = split_sequences(records), "whole sequences"
    if not splits["validation"]:
        splits, what = _regions(fasta, records, splits["train"]), "regions of one sequence"
    try:
        check_splits(records, {name: names for name, names in splits.items() if names})
    except InputError as error:  # of a record that is named as what means others
        raise InputError(f"{fasta}: {error}; rename such records") from None
    lines = [f"      {name}: {in_one_line(names)}\n" for name, names in splits.items() if names]
    genome = GENOME % {
        "fasta": in_one_line(_location(fasta)),
        "what": what,
        "splits": "".join(lines).rstrip(),
        "train": in_one_line(splits["train"]),
    }
    bases = sum(part.end - part.start for part in records.intervals(splits["train"]))
    if bases > SMALL_GENOME:
        return START % {"run": " {}"} + genome
    steps = max(500, round(EPOCHS * bases / (LENGTH * BATCH)))
    run = SMALL_RUN % {
        "steps": steps,
        "epochs": round(steps * LENGTH * BATCH / bases),
        "batch": BATCH,
        "length": LENGTH,
        "often": steps // 5,
    }
    return START % {"run": run.rstrip()} + SMALL + genome


def _regions(fasta: Path, records: Records, names: list[str]) -> dict[str, list[str]]:
    """Cut the one large sequence of a FASTA into regions."""
    if len(names) > 1:
        raise InputError(
            f"{fasta}: one large sequence only, in {len(names)} records that share bases; give it "
            "as one record"
        )
    record = records.record(names[0])
    bases = record.end - record.start
    if bases * HELD_OUT < 2 * LENGTH:
        raise InputError(
            f"{fasta}: its one large sequence has {bases:,} bases; give one of "
            f"{2 * LENGTH / HELD_OUT:,.0f} or more, or two sequences"
        )
    return split_regions(record.chrom, record.start, record.end)


def split_sequences(records: Records) -> dict[str, list[str]]:
    """Choose sequences that train, validate and, where there are more than three, test.

    Parameters
    ----------
    records : Records
        Those that share bases of a chromosome (chr1:0-3000, chr1:1000-4000) count as one sequence.
        Sequences below a twentieth of the longest are left out.

    Returns
    -------
    dict of str to list of str
        Held out for each are those that together are near a tenth of all bases.
    """
    lengths = _sequences(records)
    large = [names for names in lengths if lengths[names] >= SMALLEST * max(lengths.values())]
    wanted = HELD_OUT * sum(lengths[names] for names in large)
    nearest = sorted(large, key=lambda names: abs(lengths[names] - wanted))
    firsts = nearest[: 2 if len(large) > 3 else min(1, len(large) - 1)]
    splits = {"train": large, "validation": [], "test": []}
    for split, first in zip(("validation", "test"), firsts, strict=False):
        others = [names for names in splits["train"] if names not in firsts]
        held = splits[split] = _filled(first, others, lengths, wanted)
        splits["train"] = [names for names in splits["train"] if names not in held]
    return {split: [n for names in parts for n in names] for split, parts in splits.items()}


def _filled(
    first: tuple[str, ...],
    others: list[tuple[str, ...]],
    lengths: dict[tuple[str, ...], int],
    wanted: float,
) -> list[tuple[str, ...]]:
    """Add to the first whichever bring the sum nearer to what is wanted, the longest first."""
    held, total = {first}, lengths[first]
    for names in sorted(others, key=lambda names: -lengths[names]):
        if abs(total + lengths[names] - wanted) < abs(total - wanted):
            held.add(names)
            total += lengths[names]
    return [names for names in lengths if names in held]


def _sequences(records: Records) -> dict[tuple[str, ...], int]:
    """Join records that share bases: their names, and the bases that they cover, in FASTA order."""
    joined: list[list[Record]] = []
    reached: dict[str, int] = {}
    for record in sorted(map(records.record, records.names), key=lambda r: (r.chrom, r.start)):
        if record.start < reached.get(record.chrom, 0):
            joined[-1].append(record)
        else:
            joined.append([record])
        reached[record.chrom] = max(record.end, reached.get(record.chrom, 0))
    joined.sort(key=lambda group: min(record.offset for record in group))
    return {
        tuple(record.name for record in group): max(r.end for r in group) - group[0].start
        for group in joined
    }


def split_regions(name: str, start: int, end: int) -> dict[str, list[str]]:
    """Cut a sequence into regions that do not overlap: its last two tenths validate and test.

    Parameters
    ----------
    name : str
        Of the chromosome.
    start, end : int
        Its bases, 0-based, half open.
    """
    held = round(HELD_OUT * (end - start))
    cuts = [start, end - 2 * held, end - held, end]
    regions = [f"{name}:{first}-{last}" for first, last in pairwise(cuts)]
    return dict(zip(("train", "validation", "test"), ([region] for region in regions), strict=True))


def _suite(csv: Path, metric: Metric) -> str:
    if not csv.is_dir():
        raise InputError(f"{csv}: no such folder; name the one that holds TASK/train.csv")
    tasks = [
        task.name
        for task in sorted(csv.iterdir())
        if all(Path(table).is_file() for table in task_tables(task))
    ]
    if not tasks:
        raise InputError(f"{csv}: no TASK/train.csv with a test.csv; give each task a folder there")
    for name in tasks:
        parse(Name, name, f"{csv / name}")
    return SUITE % {
        "csv": in_one_line(_location(csv)),
        "tasks": in_one_line(tasks),
        "metric": metric,
        "finetuning": FEW_ROWS if min(map(_rows, (csv / task for task in tasks))) < FEW else "",
        "figure": in_one_line(f"mine/{tasks[0]}"),
    }


def _location(path: Path) -> str:
    """Return the whole path, if a configuration can name it."""
    from dnastudents.config.schema import Location

    found: str = parse(Location, str(path.resolve()), f"{path}")
    return found


def _rows(task: Path) -> int:
    """Count the lines of a task's train table, but for its header."""
    from dnastudents.genome.fasta import open_binary

    with open_binary(Path(task_tables(task)[0])) as table:
        return sum(1 for line in table if line.strip()) - 1
