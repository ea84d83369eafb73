#!/usr/bin/env bash
# The benchmarks that need a GPU, on a machine that may be bare and offline: under 10 minutes.
#   benchmarks/gpu.sh            writes gpu.json and plan.json to $OUT, default benchmarks/results;
#                                `dnastudents plan --rates plan.json` counts with what it measured
#   benchmarks/gpu.sh --quick    tiny sizes, on a CPU too: does it run at all?
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD/src"
needs='import sys; assert sys.version_info >= (3, 11); import dnastudents.training.pretrain, rich, jsonschema'

works() { "$1" -c "$needs" 2>/dev/null; }

python=
for candidate in "${PYTHON:-}" .venv/bin/python python3 python; do
  if [ -n "$candidate" ] && command -v "$candidate" >/dev/null && works "$candidate"; then
    python=$candidate
    break
  fi
done

if [ -z "$python" ]; then
  # What the machine has stays in use (--system-site-packages); pip adds what it lacks.
  home="${TMPDIR:-/tmp}/dnastudents-gpu"
  echo "No Python here has all packages; installing into $home (at most 5 minutes) ..."
  "${PYTHON:-python3}" -m venv --system-site-packages "$home" \
    && timeout 300 "$home/bin/python" -m pip install --quiet --disable-pip-version-check \
      --retries 1 --timeout 15 --constraint constraints.txt . \
    || { echo "gpu.sh: pip could not install the packages of constraints.txt (no network?)" >&2; exit 1; }
  python="$home/bin/python"
fi

if [[ " $* " != *" --quick "* ]]; then
  "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' \
    || { echo "gpu.sh: torch sees no CUDA device; nothing was measured" >&2; exit 1; }
fi
mkdir -p "${OUT:-benchmarks/results}"
timeout $((480 - SECONDS)) "$python" benchmarks/gpu.py --json "${OUT:-benchmarks/results}/gpu.json" "$@"
[[ " $* " == *" --quick "* ]] \
  || timeout $((580 - SECONDS)) "$python" -m dnastudents plan --measure --json "${OUT:-benchmarks/results}/plan.json"
