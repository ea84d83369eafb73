"""What a configuration will take on stated hardware, before anything is started: an estimate.

`work` counts what is computed, `rates` says how fast a device does it, `networks` how large the
networks are. Here they are put together: device hours, memory, disk and downloads, as a table.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnastudents.config import Config
from dnastudents.errors import InputError
from dnastudents.files import check_file, write_json
from dnastudents.plan.networks import Network, student_network, teacher_network
from dnastudents.plan.rates import Rates, measure, read_rates
from dnastudents.plan.show import show
from dnastudents.plan.work import Work, all_work, task_size
from dnastudents.training.options import PretrainingBlock

logger = logging.getLogger(__name__)

LIKE = b'{\\s*"hardware": .*"devices": '  # how `as_json` begins
BASES_A_BYTE = 3.3  # of FASTA.gz


@dataclass(frozen=True)
class Plan:
    """The jobs of a configuration and what they take.

    Attributes
    ----------
    hardware : str
        As the user names it.
    devices : int
        That work side by side.
    rates : Rates
    networks : dict of str to Network
        By students/NAME and teachers/NAME.
    jobs : list of Work
    hours : list of float
        Device hours of each job.
    memory : list of float
        Bytes on the device, of each job; at least that.
    unknown_tasks : list of str
        suite/task without a task folder, which are not counted.
    downloads : dict of str to (int or None)
        Bytes of each file, where known.
    references : float
        Bytes of the genomes as the workflow keeps them, where known.
    """

    hardware: str
    devices: int
    rates: Rates
    networks: dict[str, Network]
    jobs: list[Work]
    hours: list[float]
    memory: list[float]
    unknown_tasks: list[str]
    downloads: dict[str, int | None]
    references: float


def plan(
    config: Config,
    *,
    hardware: str,
    devices: int = 1,
    flops: float | None = None,
    rates: Path | None = None,
    measured: bool = False,
    threads: int = 1,
    tasks: Path | None = None,
    output: Path | None = None,
) -> Plan:
    """Estimate, print, and write as JSON if asked for.

    Parameters
    ----------
    config : Config
    hardware : str
        Name of the device, for the table.
    devices : int
        That work side by side. Default is 1.
    flops : float, optional
        FLOP/s that a device achieves.
    rates : Path, optional
        A file with measured rates, see `rates.read_rates`.
    measured : bool
        Measure rates on this machine, with `threads` CPU threads. One of the three is given.
    tasks : Path, optional
        Folder of task folders. Default is `tasks` in the configuration's results.
    output : Path, optional
        JSON file.

    Raises
    ------
    InputError
        A bad configuration or file, or not exactly one source of rates.
    """
    if output is not None:
        check_file(output, LIKE)  # before what takes long
    networks = _networks(config)
    speed = _rates(config, networks, flops, rates, threads if measured else None)
    folder = tasks or Path(config.settings.results) / "tasks"
    result = _estimate(config, networks, speed, folder, hardware=hardware, devices=devices)
    print(show(result))
    if output is not None:
        write_json(output, as_json(result), LIKE)
    return result


def _estimate(
    config: Config,
    networks: dict[str, Network],
    rates: Rates,
    folder: Path,
    *,
    hardware: str,
    devices: int,
) -> Plan:
    """Put together what a configuration takes; `folder` holds the task folders."""
    sizes = {"/".join(task): task_size(folder / "/".join(task)) for task in config.tasks()}
    jobs = all_work(config, networks, sizes)
    by_name = {network.name: network for network in networks.values()}
    files = _downloads(config, networks)
    return Plan(
        hardware,
        devices,
        rates,
        networks,
        jobs,
        hours=[_hours(job, by_name, rates) for job in jobs],
        memory=[_memory(job, config, networks, rates) for job in jobs],
        unknown_tasks=[task for task, size in sizes.items() if size is None],
        downloads=files,
        references=_references(config, files),
    )


def as_json(result: Plan) -> dict[str, Any]:
    """Return all numbers of a plan; `read_rates` takes the rates out of it."""
    return {
        "hardware": result.hardware,
        "devices": result.devices,
        **result.rates.as_json(),
        "networks": {
            key: {"parameters": network.parameters, "flops_per_second": result.rates.of(network)}
            for key, network in result.networks.items()
        },
        "jobs": [
            {
                "kind": job.kind,
                "run": job.run,
                "task": job.task,
                "tokens": job.tokens,
                "flops": sum(job.flops.values()),
                "device_hours": hours,
                "memory_bytes": memory,
                "disk_bytes": job.disk,
            }
            for job, hours, memory in zip(result.jobs, result.hours, result.memory, strict=True)
        ],
        "device_hours": sum(result.hours),
        "unknown_tasks": result.unknown_tasks,
        "downloads": result.downloads,
        "reference_bytes": result.references,
    }


def _networks(config: Config) -> dict[str, Network]:
    teachers = {config.needs(run).get("teacher") for run in config.runs} - {None}
    students = {config.run(run).student for run in config.runs}
    return {
        **{f"students/{name}": student_network(config, name) for name in sorted(students)},
        **{f"teachers/{t}": teacher_network(config, t) for t in sorted(map(str, teachers))},
    }


def _rates(
    config: Config,
    networks: Mapping[str, Network],
    flops: float | None,
    rates: Path | None,
    threads: int | None,
) -> Rates:
    """Return the one source of rates that is given."""
    if sum(given is not None for given in (flops, rates, threads)) != 1:
        raise InputError("give one of --flops, --rates and --measure")
    if flops is not None:
        if not 0 < flops < math.inf:
            raise InputError(f"--flops: must be positive, not {flops:g}")
        return Rates(f"{flops:.3g} FLOP/s for every network, as given by --flops", [], flops)
    if rates is not None:
        return read_rates(rates)
    blocks: dict[str, PretrainingBlock | None] = {}
    for name in config.runs:
        run = config.run(name)
        blocks[run.student] = blocks.get(run.student) or run.pretraining
        teacher = config.settings.teachers.get(config.needs(name).get("teacher", ""))
        if teacher is not None and teacher.train is not None:
            blocks.setdefault(teacher.train.student, teacher.train.pretraining)
    students = {network.name: network for network in networks.values() if network.settings}
    logger.info(f"measuring {', '.join(students)} ...")
    return measure(students, blocks, threads or 1)


def _hours(job: Work, networks: Mapping[str, Network], rates: Rates) -> float:
    return sum(flops / rates.of(networks[name]) for name, flops in job.flops.items()) / 3600


def _memory(job: Work, config: Config, networks: Mapping[str, Network], rates: Rates) -> float:
    """Add up weights, gradients, moments, and what was measured to be kept for the gradients."""
    if job.kind == "teacher":
        network = networks[f"teachers/{job.run}"]
    else:
        network = networks[f"students/{config.run(job.run).student}"]
    return job.memory + job.batch_tokens * (rates.kept_bytes(network) or 0.0)


def _downloads(config: Config, networks: Mapping[str, Network]) -> dict[str, int | None]:
    """Return the files of the manifest that are needed, with their sizes.

    Where the manifest has none, a teacher's weights are as large as its parameters in float32.
    """
    from dnastudents.downloads.manifest import read_manifest

    manifest = read_manifest(config.root / "workflow/resources/datasets.csv")
    ids = {name for origin in config.data().values() for name in origin.get("datasets", [])}
    weights = {
        f"{config.settings.teachers[key.partition('/')[2]].dataset}/model.safetensors": network
        for key, network in networks.items()
        if key.startswith("teachers/")
    }
    return {
        name: manifest[name].bytes or (4 * weights[name].parameters if name in weights else None)
        for name in sorted(ids)
    }


def _references(config: Config, files: Mapping[str, int | None]) -> float:
    """Estimate one byte per base; bases by the size of the file, or as simulated."""
    total = 0.0
    for name, origin in config.data().items():
        kind, _, reference = name.partition("/")
        if kind != "reference":
            continue
        simulated = config.settings.references[reference].simulate
        total += simulated.length if simulated is not None else 0
        for dataset in origin.get("datasets", []):
            total += BASES_A_BYTE * (files[dataset] or 0)
        for path in map(Path, origin.get("files", [])):
            if path.is_file():
                total += path.stat().st_size * (BASES_A_BYTE if path.suffix == ".gz" else 1)
    return total
