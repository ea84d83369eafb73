# Sourced before the command of every rule. A file, since `shell.prefix` would also change the rules
# of a workflow that uses this one as a module.

set -euo pipefail # `| log_to` must not hide an exit status

# Jobs use the code of this checkout, in a conda environment too; a wheel is installed where they run.
src="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/src"
if [ -d "$src" ]; then
    PYTHONPATH="$src:${PYTHONPATH:-}"
fi

# Python imports nothing from the working folder, where a file of the user's may be called random.py.
# An empty entry of PYTHONPATH stands for that folder.
PYTHONPATH=":${PYTHONPATH:-}:"
while [[ "$PYTHONPATH" == *::* ]]; do PYTHONPATH="${PYTHONPATH//::/:}"; done
PYTHONPATH="${PYTHONPATH#:}"
export PYTHONPATH="${PYTHONPATH%:}" PYTHONSAFEPATH=1
export PYTHONUTF8=1     # what jobs write is UTF-8, whatever the locale
export HF_HUB_OFFLINE=1 # jobs never ask the hub

# Training frees and takes the same large tensors at every step: glibc keeps blocks of up to 32 MiB
# instead of giving each back to the system. FinDNA's step on a CPU takes a tenth less time.
export MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=2147483647

# Append to a log. A signal to all of a job's processes must not end it before the program in front
# has said its last word.
log_to() { (
    trap '' TERM INT USR1
    exec tee -a "$@"
); }
