"""The subcommand that estimates before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dnastudents.cli.parsing import command

app = typer.Typer()


@command(app, "plan", "--flops 2e14 --configfile my.yaml")
def plan(
    *,
    configfile: Annotated[
        list[Path],
        typer.Option(
            default_factory=list, show_default=False, metavar="FILE...", help="as for Snakemake"
        ),
    ],
    hardware: Annotated[
        str, typer.Option(help="name of the device, for the table")
    ] = "this machine",
    devices: Annotated[int, typer.Option(min=1, help="devices that work side by side")] = 1,
    flops: Annotated[float | None, typer.Option(help="FLOP/s that a device achieves")] = None,
    rates: Annotated[Path | None, typer.Option(help="JSON of a plan that measured")] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="time training steps on this machine")
    ] = False,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads for --measure")] = 1,
    tasks: Annotated[
        Path | None, typer.Option(help="folder of task folders; default: RESULTS/tasks")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="file for all numbers")] = None,
) -> None:
    """Estimate hours, memory and disk of a configuration."""
    from dnastudents.plan import plan

    plan(
        configfile,
        root=Path.cwd(),
        hardware=hardware,
        devices=devices,
        flops=flops,
        rates=rates,
        measured=measure,
        threads=threads,
        tasks=tasks,
        output=json,
    )
