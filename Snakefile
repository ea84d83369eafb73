# dnastudents: pretrain small DNA language models by three recipes, compare them on one set of tasks.
# What is run stands in config.yaml; what a rule does stands behind `python -m dnastudents`.
from snakemake.utils import min_version

min_version("9.16")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/reference.smk"
include: "workflow/rules/pmi.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/teacher.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/tables.smk"


# One file a benchmark suite; a new file there is a new suite.
for benchmark in sorted(ROOT.glob("workflow/rules/benchmarks/*.smk")):

    include: str(benchmark)


# Seconds of one core each, with nothing left to wait for: not worth a place in a cluster's queue.
localrules:
    metrics,
    probe_metrics,
    table,
    probe_table,
    comparisons,
    pretraining_table,
    benchmarks_table,
    cost,
    losses,
    overview,
    pmi_figure,


rule all:
    default_target: True
    input:
        all_results(),
