"""Subcommands about a whole project: lay one out, show its configuration, estimate its costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dnastudents.cli.parsing import command

app = typer.Typer()
config = typer.Typer(name="config", help="Show the configuration, as it is and as it may be.")
app.add_typer(config)

ConfigFiles = Annotated[
    list[Path],
    typer.Option(
        default_factory=list,
        show_default=False,
        metavar="FILE...",
        help="as for Snakemake; default: the papers' config.yaml",
    ),
]


@command(app, "init", "my_project --fasta genome.fa --csv data/mine")
def init(
    output: Annotated[Path, typer.Argument(metavar="FOLDER", help="a new folder")],
    *,
    fasta: Annotated[
        Path | None, typer.Option(help="genome to pretrain on; default: hg38, downloaded")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="folder of TASK/train.csv and test.csv; default: papers'")
    ] = None,
    metric: Annotated[
        Literal["accuracy", "mcc", "f1", "f1_macro"], typer.Option(help="of these tasks")
    ] = "accuracy",
) -> None:
    """Lay out a project that uses this workflow."""
    from dnastudents.project import init

    init(output, fasta, csv, metric)
    # Without tables of one's own, what follows pretraining are the papers' human benchmarks.
    target = "" if csv else " pretrained"
    print(
        f"{output}: read its config.yaml; then, there, `snakemake -n{target}` shows what would "
        f"run, and `snakemake --cores 2{target}` does it"
    )


@command(config, "show", "--configfile demo/demo.yaml")
def show(*, configfile: ConfigFiles) -> None:
    """Print all that a configuration uses, with every default, as YAML."""
    from dnastudents.config import export, read_config

    print(export.as_yaml(export.resolved(read_config(configfile))), end="")


@command(config, "run", "had --configfile demo/demo.yaml")
def run(
    name: Annotated[str, typer.Argument(help="a run, or run@1 for its first replica")],
    *,
    configfile: ConfigFiles,
) -> None:
    """Print the settings that `pretrain --settings` takes, as JSON."""
    import json

    from dnastudents.config import read_config

    print(json.dumps(read_config(configfile).pretrain_settings(name).as_json(), indent=2))


@command(config, "schema", "")
def schema() -> None:
    """Print the JSON schema of configuration files, for editors."""
    import json

    from dnastudents.config.export import json_schema

    print(json.dumps(json_schema(), indent=1, ensure_ascii=False))


@command(config, "docs", "commands")
def docs(
    page: Annotated[
        Literal["configuration", "metrics", "commands"],
        typer.Argument(help="keys of the configuration, columns of metrics.csv, or subcommands"),
    ] = "configuration",
) -> None:
    """Print a page of reference, made from the code, as Markdown."""
    from dnastudents.cli.pages import commands
    from dnastudents.config.export import columns, markdown

    pages = {"configuration": markdown, "metrics": columns, "commands": commands}
    print(pages[page](), end="")


@command(app, "plan", "--device A100 --configfile my.yaml")
def plan(
    *,
    configfile: ConfigFiles,
    device: Annotated[
        str | None, typer.Option(help="estimate for this GPU, H100 or A100; default: H100")
    ] = None,
    rates: Annotated[Path | None, typer.Option(help="JSON of a plan that measured")] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="time training steps on this machine")
    ] = False,
    devices: Annotated[int, typer.Option(min=1, help="devices that work side by side")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads for --measure")] = 1,
    tasks: Annotated[
        Path | None, typer.Option(help="folder of task folders; default: RESULTS/tasks")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="file for all numbers")] = None,
) -> None:
    """Estimate hours and memory of a configuration."""
    from dnastudents.config import read_config
    from dnastudents.plan import plan

    plan(
        read_config(configfile),
        device=device,
        rates=rates,
        measured=measure,
        devices=devices,
        threads=threads,
        tasks=tasks,
        output=json,
    )
