"""What a configuration will take on a device, before anything is started: an estimate.

`networks` describes the networks, `counting` what a batch of each computes, `rates` how long a
device takes for it, `work` how many batches there are. Here they are put together.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from dnastudents.config import Config
from dnastudents.errors import InputError
from dnastudents.files import check_file, write_json
from dnastudents.plan.networks import networks_of
from dnastudents.plan.rates import DEVICES, Rates, estimate, measure, read_rates
from dnastudents.plan.show import show
from dnastudents.plan.work import TaskSize, Work, all_work, published_sizes, task_size
from dnastudents.results.costs import watts_of

logger = logging.getLogger(__name__)

LIKE = b'{\\s*"devices": .*"rates": '  # how a plan's JSON begins


@dataclass(frozen=True)
class Job:
    """What one job takes.

    Attributes
    ----------
    kind, run, task
        As of `Work`.
    parameters, steps, tokens : int, int and float
        Of its student, and what that learns from.
    hours, memory : float
        Device hours, and bytes on the device.
    """

    kind: str
    run: str
    task: str | None
    parameters: int
    steps: int
    tokens: float
    hours: float
    memory: float


@dataclass(frozen=True)
class Plan:
    """The jobs of a configuration.

    Attributes
    ----------
    devices : int
        That work side by side.
    rates : Rates
    watts, price : float or None
        Of a device, and of an hour of it, where known.
    unknown_tasks : list of str
        suite/task whose size nobody knows yet, which are not counted.
    jobs : list of Job
    """

    devices: int
    rates: Rates
    watts: float | None
    price: float | None
    unknown_tasks: list[str]
    jobs: list[Job]


def plan(
    config: Config,
    *,
    device: str | None = None,
    rates: Path | None = None,
    measured: bool = False,
    devices: int = 1,
    threads: int = 1,
    tasks: Path | None = None,
    output: Path | None = None,
) -> Plan:
    """Estimate, print, and write as JSON if asked for.

    Parameters
    ----------
    config : Config
    device : str, optional
        One of `rates.DEVICES`. Default is H100, where neither of the next two is given.
    rates : Path, optional
        A file with measured rates, see `rates.read_rates`.
    measured : bool
        Measure rates on this machine, with `threads` CPU threads.
    devices : int
        That work side by side. Default is 1.
    tasks : Path, optional
        Folder of task folders. Default is `tasks` in the configuration's results. Of a task that is
        not there, the published size counts.
    output : Path, optional
        JSON file.

    Raises
    ------
    InputError
        A bad configuration, file or device, or several sources of rates.
    """
    if sum((device is not None, rates is not None, measured)) > 1:
        raise InputError("give one of --device, --rates and --measure")
    if device is not None and device not in DEVICES:
        raise InputError(f"--device: {device} is not known; {' or '.join(DEVICES)}, or --measure")
    if output is not None:
        check_file(output, LIKE)  # before what takes long
    given = None if rates is None else read_rates(rates)
    networks = networks_of(config)
    if given is None and measured:
        logger.info(f"measuring {', '.join(networks)} ...")
        given = measure(networks.values(), threads)
    speed = given or estimate(networks.values(), DEVICES[device or "H100"])
    sizes = _task_sizes(config, tasks)
    cost = config.settings.cost
    result = Plan(
        devices,
        speed,
        watts=watts_of(speed.hardware, cost.watts) or speed.watts,
        price=watts_of(speed.hardware, cost.price),
        unknown_tasks=[name for name, size in sizes.items() if size is None],
        jobs=[_job(work, speed) for work in all_work(config, networks, sizes)],
    )
    print(show(result))
    if output is not None:
        write_json(output, asdict(result), LIKE)
    return result


def _task_sizes(config: Config, tasks: Path | None) -> dict[str, TaskSize | None]:
    """Find the size of every task, by suite/task: of its folder, else the published one."""
    published = published_sizes(config.root / "workflow/resources/task_sizes.csv")
    folder = tasks or Path(config.settings.results) / "tasks"
    names = ["/".join(task) for task in config.tasks()]
    return {name: task_size(folder / name) or published.get(name) for name in names}


def _job(work: Work, rates: Rates) -> Job:
    """Say how long a job takes, and how much memory."""
    seconds = 0.0
    for each in work.passes:
        rate = rates.of(each.network)
        speed = rate.learn if each.learns else rate.read
        seconds += each.tokens * speed.token + each.batches * speed.batch
    student = work.passes[0].network
    return Job(
        work.kind,
        work.run,
        work.task,
        student.parameters,
        work.steps,
        tokens=sum(each.tokens for each in work.passes if each.learns),
        hours=seconds / 3600,
        memory=work.memory + work.batch_tokens * rates.of(student).kept,
    )
