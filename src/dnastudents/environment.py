"""What of the environment must not decide a result: taken out of it, or refused in one line.

Libraries read dozens of variables, and a shell, a notebook or another launcher may have set them
long ago. What is left decides speed and the last digits: how many threads compute
(OMP_NUM_THREADS, MKL_NUM_THREADS) and which instructions (ATEN_CPU_CAPABILITY, MKL_CBWR). Such
digits are carried on: after 12 steps of a small FinDNA, weights of 1 and of 2 threads differed by
1e-7 of the largest, and in the end a score may differ as that of another seed does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from dnastudents.errors import InputError

# what `accelerate launch` hands on
_PREFIXES = ("ACCELERATE_", "FSDP_", "MEGATRON_LM_", "PARALLELISM_CONFIG_")
_NAMES = (
    *("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "NVIDIA_TF32_OVERRIDE"),  # fewer digits on a GPU
    *("ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE"),  # and on a CPU
)
FIGURES = ("MPLBACKEND", "MATPLOTLIBRC")  # those of the command line go to files, in our own style
_SIZES = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
_MPI = ("OMPI_", "PMI_", "MV2_COMM_", "MPI_LOCAL")
_GROUP = (
    *("RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"),
    *("MASTER_ADDR", "MASTER_PORT"),
)
PROCESSES = "DNASTUDENTS_PROCESSES"  # how many our launcher has started
_LAUNCHERS = ("TORCHELASTIC_RUN_ID", "FORK_LAUNCHED")  # of torchrun and accelerate
_ALONE = "DNASTUDENTS_ALONE"  # accelerate was asked for several processes and has started this one


def clean(*more: str) -> None:
    """Take out what decides how libraries compute in place of our settings, and `more`."""
    # `accelerate launch --cpu --num_processes 2` leaves no other trace of the 2.
    if "ACCELERATE_USE_CPU" in os.environ and "MASTER_PORT" in os.environ and not is_launched():
        os.environ[_ALONE] = "1"
    for name in list(os.environ):
        if name in (*_NAMES, *more) or name.startswith(_PREFIXES):
            del os.environ[name]


def is_launched() -> bool:
    """Return whether a launcher has started this process as one of several, or may have."""
    alone = os.environ.get(PROCESSES, "1") == "1"
    return not alone or any(name in os.environ for name in _LAUNCHERS)


def rank() -> str:
    """Return the number of this process in its training, as its launcher has set it."""
    return os.environ.get("RANK", "0") if is_launched() else "0"


def without_group(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what would make a process one of several."""
    return {k: v for k, v in environment.items() if k not in _GROUP and not k.startswith(_MPI)}


def join_or_be_alone() -> None:
    """Forget ranks that no launcher has set, as of an earlier session or a queue's own job.

    Raises
    ------
    InputError
        They say that there are several processes: each would train alone and write the same files.
        Or accelerate was asked for several, and has started one.
    """
    kept = dict(os.environ)
    if _ALONE in kept:
        raise InputError(
            "accelerate was asked for several processes, but has started 1; add --multi_gpu, which "
            "it needs without GPUs too, or start with `python -m dnastudents launch --processes N "
            "-- pretrain ...`"
        )
    if not is_launched():
        for name in _SIZES:
            if os.environ.get(name, "1") not in ("", "0", "1"):
                raise InputError(
                    f"{name} is {os.environ[name]}, but 1 process trains here; unset it, or start "
                    "with `python -m dnastudents launch --processes N -- pretrain ...`"
                )
        kept = without_group(kept)
    for name in list(os.environ):
        if name not in kept or name.startswith(_MPI):
            del os.environ[name]
