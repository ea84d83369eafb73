# Two commands: `make demo` runs the whole workflow on a simulated genome, `make test` checks it all.
# Each sets itself up on first use: .venv with the versions of constraints.txt.
.ONESHELL:
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
# Processes that `make test` starts: one a core, up to four.
JOBS ?= $(shell "$(PYTHON)" -c 'import os; print(min(4, os.cpu_count() or 1))')
# Tests that neither train nor start Snakemake.
FAST := $(addprefix tests/,config downloads genome masking pmi results tables test_settings.py test_registry.py)
.PHONY: demo check test lint test-slurm docs figures setup clean help

help:            ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/'

setup: .venv/.installed  ## create .venv and install the pinned versions

# The stamp depends on what is installed, so a second call does nothing.
.venv/.installed: pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "dnastudents needs Python >= 3.11; try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	[ -x .venv/bin/python ] || "$(PYTHON)" -m venv .venv
	echo "Installing into .venv (2 to 5 minutes, once) ..."
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch .venv/.installed

# A demo that did not end well leaves a mark, and perhaps Snakemake's lock, which is removed only
# then; the flock tells a dead demo from a running one.
demo: setup      ## the whole workflow on simulated data: tables, figures and a report in results/demo
	@export PATH="$$PWD/.venv/bin:$$PATH"
	exec 9>.venv/.demo.lock
	! command -v flock >/dev/null || flock --nonblock 9 || { echo "A demo is still running in this folder; wait for it or stop it." >&2; exit 1; }
	[ ! -e .venv/.demo.running ] || snakemake --profile demo --unlock >/dev/null 2>&1 || true
	touch .venv/.demo.running
	snakemake --profile demo
	snakemake --profile demo --report results/demo/report.zip >/dev/null
	rm .venv/.demo.running
	sed -n '/^| method/,/^$$/p' results/demo/tables/simulated.md
	cat <<'END'
	Scores x 100 on tasks of the simulated genome; *_scratch: the same student, never pretrained.
	All results are in results/demo/index.html; tables and figures lie beside it. Next, after `. .venv/bin/activate`:
	  dnastudents explain results/demo simulated/words had     # where a number comes from
	  dnastudents init my_project --fasta genome.fa --csv data/mine         # your own data
	  snakemake --profile demo --configfile demo/chr21_22.yaml -j 2         # a real run
	END

lint: setup
	@export PATH="$$PWD/.venv/bin:$$PATH"
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint

check: setup     ## in a minute: ruff, mypy, and the tests that train nothing
	@export PATH="$$PWD/.venv/bin:$$PATH"
	ruff check .
	ruff format --check .
	mypy
	python -m pytest -q -m "not slow and not slurm" $(FAST)

test: lint       ## ruff, mypy, snakefmt, snakemake --lint and pytest; JOBS=0: one file after the other
	@PATH="$$PWD/.venv/bin:$$PATH" OMP_NUM_THREADS=1 python -m pytest \
	  --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

test-slurm: setup ## the workflow on a real Slurm that is started on this machine; needs root, Debian and DNASTUDENTS_SHARED (docs/cluster.md)
	@PATH="$$PWD/.venv/bin:$$PATH" python -m pytest -s -m slurm tests/slurm

docs: setup      ## the documentation as a site, in site/
	@NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict --quiet
	echo "Open site/index.html; its search works behind a server: python -m http.server --directory site"

figures: demo    ## draw the pictures of docs/figures again, with the numbers of a demo of this code
	@.venv/bin/python docs/figures/draw.py results/demo

clean:           ## remove results and caches, keep .venv
	rm -rf results/demo .pytest_cache .mypy_cache .ruff_cache
