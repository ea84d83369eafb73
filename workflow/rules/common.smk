# The configuration, the names that wildcards may take, and the files that `rule all` asks for.
import json
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Of this file, not of the workflow that may use this one as a module; a wheel has no src/ here.
ROOT = Path(workflow.current_basedir).parents[1]
if (ROOT / "src").is_dir():
    sys.path.insert(0, str(ROOT / "src"))

from dnastudents.benchmarks import ROUTED
from dnastudents import provenance
from dnastudents.benchmarks.own_tables import own_rules
from dnastudents.config import load_config
from dnastudents.config.asked import STATE_FOLDERS, Asked, forget_states
from dnastudents.config.export import write_resolved
from dnastudents.config.given import given, require_usable_root
from dnastudents.config.start import require_submittable, when_jobs_begin
from dnastudents.config.targets import figure_names, table_names
from dnastudents.errors import InputError
from dnastudents.training.identity import split_settings

try:
    require_usable_root(ROOT, workflow)
    CONFIG = load_config(ROOT, given(workflow, config))
except InputError as error:
    raise WorkflowError(f"The configuration is not usable. {error}") from None

provenance.hand_down()  # to jobs that have no git, as in a container

OUT = CONFIG.settings.results.rstrip("/")
ASKED_FILES = {}
OWN_RULES = own_rules(ROOT)
ENVIRONMENT = str(ROOT / "envs/dnastudents.yaml")
DATASETS = str(ROOT / "workflow/resources/datasets.csv")
PUBLISHED = str(ROOT / "workflow/resources/published_results.csv")
CAPTIONS = shlex.quote(str(ROOT / "workflow/report"))
# What runs Snakemake, whatever comes first in PATH; in an environment or container, what is there.
PYTHON = (
    "python"
    if workflow.deployment_settings.deployment_method
    else shlex.quote(sys.executable)
)
SETUP = shlex.quote(str(ROOT / "workflow/scripts/job.sh"))

# In the command, not in params: where a file comes from does not change the result.
DOWNLOAD_OPTIONS = shlex.join(
    [
        *("--manifest", DATASETS),
        *(
            "--lock",
            CONFIG.settings.download_lock or f"{OUT}/downloads/download-lock.json",
        ),
        *(["--mirror", CONFIG.settings.mirror] if CONFIG.settings.mirror else []),
    ]
)


# The rules that keep a state, by the names that a workflow which uses this one may give them.
RULES_WITH_STATE = {
    workflow.modifier.modify_rulename(rule): rule for rule in STATE_FOLDERS
}


def begin():
    """Refuse or prepare what concerns all jobs; what is forced is computed, not taken from a state."""
    try:
        require_submittable(workflow, ROOT)
    except InputError as error:
        raise WorkflowError(str(error)) from None
    forced = [
        RULES_WITH_STATE.get(name, name) for name in workflow.dag_settings.forcerun
    ]
    forget_states(CONFIG, forced, workflow.dag_settings.forceall)
    write_resolved(CONFIG, f"{OUT}/config.resolved.yaml")


def literal(text):
    """The text with its braces doubled, for a command in which Snakemake fills in names."""
    return text.replace("{", "{{").replace("}", "}}")


def command(arguments):
    """A shell command that runs `dnastudents` and keeps what it prints in the log."""
    return (
        f"source {literal(SETUP)};"
        f" {literal(PYTHON)} -m dnastudents {arguments} 2>&1 | log_to {{log:q}}"
    )


def one_of(names):
    """A wildcard constraint that allows exactly these names."""
    return "|".join(map(re.escape, sorted(names))) or "(?!)"


wildcard_constraints:
    reference=one_of(CONFIG.settings.references),
    run=one_of(CONFIG.runs),
    teacher=one_of(CONFIG.settings.teachers),
    suite=one_of(CONFIG.suites),
    cls="|_cls",
    probe="knn|linear",
    task=r"[A-Za-z0-9_.-]+",
    dataset=r"[A-Za-z0-9_./-]+",


def settings(value):
    """Settings as the JSON argument of a command: a change of it reruns the rule."""
    return json.dumps(getattr(value, "as_json", lambda: value)(), sort_keys=True)


def asked(job, what, own_files=lambda w: ()):
    """What a job is asked, as a file that is newer than the result where that has changed."""

    def file(wildcards):
        name = job.format(**dict(wildcards.items()))
        if (
            name not in ASKED_FILES
        ):  # Snakemake asks for the inputs of a job several times
            content = what(wildcards) if callable(what) else what
            # Snakemake does not know before it builds the DAG that a run is dry.
            files = Asked(f"{OUT}/asked", workflow.dryrun)
            ASKED_FILES[name] = files.file(name, content, own_files(wildcards))
        return ASKED_FILES[name]

    return file


def training(wildcards):
    """The settings of a pretraining, of a run or of a teacher that is trained here."""
    if "teacher" in wildcards.keys():
        return CONFIG.teacher_settings(wildcards.teacher)
    return CONFIG.pretrain_settings(wildcards.run)


def deciding(wildcards):
    """Those of them that decide its weights."""
    return settings(split_settings(training(wildcards))[0])


def execution(wildcards, threads):
    """The others; as they are asked for with `threads`, Snakemake does not record them."""
    return settings(split_settings(training(wildcards))[1])


def of_task(find):
    """What the configuration finds for the run (if any), suite and task of a job."""
    names = ("run", "suite", "task")
    return lambda w: find(*(w.get(name) for name in names if name in w.keys()))


def seeds(wildcards):
    """The seeds of a suite, all of which one job does."""
    return CONFIG.suites[wildcards.suite].seeds


def asked_with_seeds(job, find):
    """As `asked`, of settings that the configuration finds, and the seeds."""
    return asked(job, lambda w: [of_task(find)(w), seeds(w)])


def settings_of(find):
    """These settings as the argument of the job's command."""
    return lambda w: settings(of_task(find)(w))


def task_folder(suite):
    """Where the rule of a benchmark suite writes its task folders."""
    return f"{OUT}/tasks/{suite}/{{task}}"


def task_files(wildcards):
    """What a task folder is made from: your own files, or downloads, and references."""
    suite, task = wildcards.suite, wildcards.task
    if suite == "simulated":
        return f"{OUT}/simulated/{CONFIG.settings.genome}"
    downloads = CONFIG.known_tasks.get(suite, {}).get(task, [])
    return [
        *(
            CONFIG.own_files(suite, task)
            or [f"{OUT}/downloads/{id}" for id in downloads]
        ),
        *(f"{OUT}/reference/{name}" for name in CONFIG.task_references(suite, task)),
    ]


def own_task_files(wildcards):
    """Those of them that are the user's own."""
    return CONFIG.own_files(wildcards.suite, wildcards.task)


def task_options(wildcards):
    """What the configuration says of how a suite is read, as options of the command."""
    suite = CONFIG.suites[wildcards.suite]
    options = {"--leakage": suite.leakage, "--metric": suite.metric}
    if wildcards.suite in ROUTED:
        options["--route"] = suite.route
    return shlex.join(
        word for option in options.items() if option[1] for word in option
    )


def leakage(suite):
    """Whether sequences of train and dev that are in test stay: report or remove."""
    return CONFIG.suites[suite].leakage if suite in CONFIG.suites else "report"


def teacher_files(wildcards):
    ids = CONFIG.teacher_datasets(wildcards.teacher)
    return [f"{OUT}/downloads/{id}" for id in ids]


def log_of(name):
    return f"{OUT}/logs/{name}.log"


def benchmark_of(name):
    return f"{OUT}/benchmarks/{name}.tsv"


def task_results(kind, tasks):
    """One folder per run (or baseline) and (suite, task)."""
    runs = ["kmer_logistic"] if kind == "baseline" else CONFIG.runs
    return [
        f"{OUT}/{kind}/{run}/{suite}/{task}" for run in runs for suite, task in tasks
    ]


def tasks_of(wildcards):
    """The (suite, task) of one suite."""
    return [task for task in CONFIG.tasks() if task[0] == wildcards.suite]


def in_words(tasks):
    """Each (suite, task) as suite/task."""
    return ["/".join(task) for task in tasks]


def pretrained_runs():
    """All runs that learn, with their replicas."""
    learning = filter(CONFIG.is_pretrained, CONFIG.runs)
    return [name for run in learning for name in CONFIG.replicas(run)]


def pretrainings():
    """Their folders."""
    return [f"{OUT}/pretrain/{name}" for name in pretrained_runs()]


def all_pretrainings():
    """Those, and the folders of runs that never learn."""
    names = [name for run in CONFIG.runs for name in CONFIG.replicas(run)]
    return [f"{OUT}/pretrain/{name}" for name in names]


def as_option(name, values):
    """An option of a command with its values; nothing where there are none."""
    return shlex.join([name, *values]) if values else ""


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
    given = [(kind, path) for kind, path in input.items() if kind != "asked"]
    return " ".join(f"--{kind} {shlex.quote(path)}" for kind, path in given)


def tsne_panels(cls):
    """Titles of the panels of a t-SNE figure, and where below `embed` their features lie."""
    panels = {run: run for run in CONFIG.tsne(f"tsne{cls}")[0]}
    teachers = [] if cls else CONFIG.tsne_teachers()
    return panels | {f"teacher: {name}": f"teacher/{name}" for name in teachers}


def drawn_features(wildcards):
    """Options of the features for a t-SNE figure: how many points, and how each is pooled."""
    figures = CONFIG.settings.figures
    if wildcards.get("cls"):
        return f"--sample {figures.tsne_cls.max_sequences} --pooling cls_tokens"
    figure = figures.tsne
    parts = f" --parts {figure.pooling_parts}" if figure.pooling == "parts" else ""
    return f"--sample {figure.max_sequences} --pooling {figure.pooling}{parts}"


def intervals(reference):
    """The BED file of a reference: the user's, or a download."""
    block = CONFIG.settings.references[reference].intervals
    return block.bed or f"{OUT}/downloads/{block.dataset}"


def fasta(wildcards):
    """Where a reference comes from: the simulator, the user, or a download."""
    reference = CONFIG.settings.references[wildcards.reference]
    if reference.simulate is not None:
        return f"{OUT}/simulated/{wildcards.reference}"
    return reference.fasta or [f"{OUT}/downloads/{id}" for id in reference.datasets]


def several_files(wildcards):
    """The downloads of a reference that is made of several; a list that has changed makes it again."""
    reference = CONFIG.settings.references[wildcards.reference]
    return reference.datasets if len(reference.datasets) > 1 else ""


def simulation(wildcards):
    """How a reference is made up."""
    return CONFIG.settings.references[wildcards.reference].simulate


def own_fasta(wildcards):
    """The user's own FASTA of a reference, if it is one."""
    reference = CONFIG.settings.references[wildcards.reference]
    is_own = reference.simulate is None and reference.fasta is not None
    return [reference.fasta] if is_own else []


def in_report(path, category, caption, label):
    """A file that is shown in Snakemake's report."""
    caption = str(ROOT / f"workflow/report/{caption}.rst")
    return report(path, caption=caption, category=category, labels=label)


def table(name, caption, label):
    """The three files of a table."""
    files = {kind: f"{OUT}/tables/{name}.{kind}" for kind in ("csv", "md", "tex")}
    return files | {"csv": in_report(files["csv"], "Tables", caption, {"table": label})}


def figure(name, caption, label):
    """The three files of a figure."""
    files = {kind: f"{OUT}/figures/{name}.{kind}" for kind in ("svg", "png", "pdf")}
    return files | {
        "png": in_report(files["png"], "Figures", caption, {"figure": label})
    }


def cost_files():
    """The table of the cost, which needs everything else."""
    return [f"{OUT}/tables/cost.{kind}" for kind in ("csv", "md", "tex")]


def page_files():
    """The page, which shows everything else."""
    return [f"{OUT}/index.html"]


def table_files():
    """All tables but the one of the cost, and the rows that they are made from."""
    rows = [f"{OUT}/{name}.csv" for name in ("metrics", *CONFIG.probes())]
    return rows + expand(
        f"{OUT}/tables/{{name}}.{{kind}}",
        name=table_names(CONFIG),
        kind=["csv", "md", "tex"],
    )


def figure_files():
    """All figures."""
    return expand(
        f"{OUT}/figures/{{name}}.{{kind}}",
        name=figure_names(CONFIG),
        kind=["svg", "png", "pdf"],
    )
