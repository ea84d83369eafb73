# The configuration, the names that wildcards may take, and the files that `rule all` asks for.
import json
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "src"))

from dnastudents.config.config import Config
from dnastudents.errors import InputError
from dnastudents.training.identity import split_settings

try:
    CONFIG = Config(ROOT, config)
except InputError as error:
    raise WorkflowError(f"The configuration is not usable. {error}") from None

OUT = CONFIG["results"].rstrip("/")
ENVIRONMENT = str(ROOT / "envs/dnastudents.yaml")
DATASETS = str(ROOT / "workflow/resources/datasets.csv")
PUBLISHED = str(ROOT / "workflow/resources/published_results.csv")

# In the command, not in params: where a file comes from does not change the result.
DOWNLOAD_OPTIONS = shlex.join(
    [
        *("--manifest", DATASETS),
        *("--lock", CONFIG["download_lock"] or f"{OUT}/downloads/download-lock.json"),
        *(["--mirror", CONFIG["mirror"]] if CONFIG["mirror"] else []),
    ]
)

# Jobs use the code of this checkout, in a conda environment too, and never ask the hub. A signal to
# all of a job's processes must not end `tee` before the program behind it has said its last word.
# `set` repeats Snakemake's own prefix, which this replaces: `| tee` must not hide an exit status.
PREFIX = "set -euo pipefail; "
PREFIX += "export PYTHONPATH=%s:${PYTHONPATH:-} HF_HUB_OFFLINE=1; " % shlex.quote(
    str(ROOT / "src")
)
# Training frees and takes the same large tensors at every step: glibc keeps blocks of up to 32 MiB
# instead of giving each back to the system. FinDNA's step on a CPU takes a tenth less time.
PREFIX += "export MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=2147483647; "
PREFIX += "tee() { (trap '' TERM INT USR1; exec tee -a \"$@\"); }; "
shell.prefix(PREFIX.replace("{", "{{").replace("}", "}}"))


def one_of(names):
    """A wildcard constraint that allows exactly these names."""
    return "|".join(map(re.escape, sorted(names))) or "(?!)"


wildcard_constraints:
    reference=one_of(CONFIG["references"]),
    run=one_of(CONFIG.runs),
    teacher=one_of(CONFIG["teachers"]),
    suite=one_of(CONFIG.suites),
    cls="|_cls",
    probe="knn|linear",
    task=r"[A-Za-z0-9_.-]+",
    dataset=r"[A-Za-z0-9_./-]+",


def settings(value):
    """Settings as the JSON argument of a command: a change of it reruns the rule."""
    return json.dumps(value, sort_keys=True)


def task_folder(suite):
    """Where the rule of a benchmark suite writes its task folders."""
    return f"{OUT}/tasks/{suite}/{{task}}"


def source(suite):
    """The user's own files of a suite, or the downloads of each task, and its references."""
    own = CONFIG.suites.get(suite, {}).get("source")

    def files(wildcards):
        listed = [own] if isinstance(own, str) else own
        ids = CONFIG.known_tasks.get(suite, {}).get(wildcards.task, [])
        references = CONFIG.task_references(suite, wildcards.task)
        return [
            *(listed or [f"{OUT}/downloads/{id}" for id in ids]),
            *(f"{OUT}/reference/{name}" for name in references),
        ]

    return files


def tables_in(folder):
    """The files of a task of your own: train.csv, test.csv and, if you have one, dev.csv."""

    def files(wildcards):
        place = folder.format(task=wildcards.task)
        dev = f"{place}/dev.csv"
        needed = [f"{place}/train.csv", f"{place}/test.csv"]
        return [*needed, dev] if Path(dev).is_file() else needed

    return files


def leakage(suite):
    """Whether sequences of train and dev that are in test stay: report or remove."""
    return CONFIG.suites.get(suite, {}).get("leakage", "report")


def teacher_files(wildcards):
    ids = CONFIG.teacher_datasets(wildcards.teacher)
    return [f"{OUT}/downloads/{id}" for id in ids]


def log_of(name):
    return f"{OUT}/logs/{name}.log"


def benchmark_of(name):
    return f"{OUT}/benchmarks/{name}.tsv"


def task_results(kind, tasks):
    """One folder a run (or baseline) and (suite, task)."""
    runs = ["kmer_logistic"] if kind == "baseline" else CONFIG.runs
    return [
        f"{OUT}/{kind}/{run}/{suite}/{task}" for run in runs for suite, task in tasks
    ]


def pretrainings():
    """The folders of all runs that learn, with their replicas."""
    return [
        f"{OUT}/pretrain/{name}"
        for run in filter(CONFIG.is_pretrained, CONFIG.runs)
        for name in CONFIG.replicas(run)
    ]


def pretrain_input(wildcards):
    """The reference, and the PMI ranking, teacher or intervals that the run learns from."""
    places = {
        "reference": f"{OUT}/reference/{{}}".format,
        "pmi": f"{OUT}/{{}}".format,
        "teacher": f"{OUT}/teacher/{{}}".format,
        "intervals": intervals,
        "features": f"{OUT}/teacher_cache/{{}}".format,
    }
    return {
        kind: places[kind](name) for kind, name in CONFIG.needs(wildcards.run).items()
    }


def as_options(wildcards, input):
    """The inputs of a run as options of its command, since a run may lack any of them."""
    return " ".join(f"--{kind} {shlex.quote(path)}" for kind, path in input.items())


def tsne_panels(cls):
    """Titles of the panels of a t-SNE figure, and where below `embed` their features lie."""
    panels = {run: run for run in CONFIG.tsne(f"tsne{cls}")[0]}
    teachers = [] if cls else CONFIG.tsne_teachers()
    return panels | {f"teacher: {name}": f"teacher/{name}" for name in teachers}


def intervals(reference):
    """The BED file of a reference: the user's, or a download."""
    block = CONFIG["references"][reference]["intervals"]
    return block.get("bed") or f"{OUT}/downloads/{block['dataset']}"


def fasta(wildcards):
    """Where a reference comes from: the simulator, the user, or a download."""
    reference = CONFIG["references"][wildcards.reference]
    if "simulate" in reference:
        return f"{OUT}/simulated/{wildcards.reference}"
    return reference.get("fasta") or f"{OUT}/downloads/{reference['dataset']}"


def measured_results():
    """All that costs: what a plain `snakemake` makes, without the table of the cost."""
    probes = CONFIG.probes()
    tables = [
        *CONFIG.suites,
        "benchmarks",
        *(["pretraining"] if pretrainings() else []),
        *(["comparisons"] if CONFIG.comparisons() else []),
        *sorted(
            {
                f"{probe}_{suite}"
                for probe in probes
                for suite, _ in CONFIG.probe_tasks(probe)
            }
        ),
    ]
    figures = ["overview"]
    if pretrainings():
        figures.append("losses")
    for figure in ("tsne", "tsne_cls"):
        if CONFIG.tsne(figure)[0]:
            figures += ["_".join([figure, *task]) for task in CONFIG.tsne(figure)[1]]
    if any("pmi" in CONFIG.needs(run) for run in CONFIG.runs):
        figures.append("pmi")
    return [
        f"{OUT}/metrics.csv",
        *(f"{OUT}/{probe}.csv" for probe in probes),
        *expand(
            f"{OUT}/tables/{{name}}.{{ext}}", name=tables, ext=["csv", "md", "tex"]
        ),
        *expand(f"{OUT}/figures/{{name}}.{{ext}}", name=figures, ext=["svg", "png"]),
    ]


def all_results():
    """What a plain `snakemake` makes."""
    return [
        *measured_results(),
        *(f"{OUT}/tables/cost.{ext}" for ext in ("csv", "md", "tex")),
    ]
