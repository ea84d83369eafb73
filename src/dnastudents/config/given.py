"""What Snakemake was given: each `--configfile` and `--config` as it is, not merged.

Snakemake merges them before any Snakefile is read, by rules of its own: it knows no selection, no
`extends`, and no block that another `name` replaces; what `--config` says in braces becomes text.
So the files are read once more here, and then several mean what one means that extends the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dnastudents.config.merge import Block, Source, merge
from dnastudents.errors import InputError
from dnastudents.yaml_files import parse_yaml, read_yaml


def given(workflow: Any, config: Mapping[str, Any]) -> list[Source]:
    """Find out what a configuration was merged from.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Knows the command line, and the `configfile:` of Snakefiles read so far.
    config : mapping
        The `config` of the Snakefile.

    Returns
    -------
    list of Source
        Each changes those before it. `config` itself where it is something else than Snakemake
        has merged, as a workflow may pass to a module.

    Raises
    ------
    InputError
        A file is not YAML, or holds a key twice.
    """
    from snakemake.common.configfile import load_configfile
    from snakemake.utils import update_config

    settings = workflow.config_settings
    named = list(settings.configfiles)
    stated = [] if settings.replace_workflow_config else workflow.configfiles[len(named) :]
    merged: Block = {}
    for file in stated:
        update_config(merged, load_configfile(file))
    update_config(merged, settings.overwrite_config)
    if merged != config:
        return [Source(dict(config))]
    sources = []
    for file in map(Path, [*stated, *named]):
        values = read_yaml(file)
        if "__use_yte__" in values:  # a template, which Snakemake fills in
            values = dict(load_configfile(file))
        sources.append(Source(values, file))
    return [*sources, Source(parse_arguments(settings.config_args or ()))]


def require_usable_root(root: Path, workflow: Any) -> None:
    """Refuse a folder of the workflow from which jobs cannot be run.

    Parameters
    ----------
    root : Path
        The folder of `config.yaml` and `workflow/`.
    workflow : snakemake.workflow.Workflow
        Knows whether jobs run in environments that Snakemake makes.

    Raises
    ------
    InputError
        Its path has braces, or it is a wheel's, whose code is in no such environment.
    """
    if "{" in str(root) or "}" in str(root):
        raise InputError(f"{root}: the workflow's own path has braces; rename that folder")
    methods = {method.name for method in workflow.deployment_settings.deployment_method}
    if "CONDA" in methods and not (root / "src").is_dir():
        raise InputError(
            "--software-deployment-method conda: jobs would lack the package, which is installed "
            "only here; use a checkout of dnastudents, or leave the option out and run in a conda "
            f"environment of {root / 'envs/dnastudents.yaml'} in which this package is installed"
        )


def parse_arguments(arguments: Sequence[str]) -> Block:
    """Parse the KEY=VALUE of `--config`, whose values are YAML."""
    values: Block = {}
    for argument in arguments:
        key, _, text = argument.partition("=")
        values = merge(values, {key: parse_yaml(text, f"--config {key}")})
    return values
