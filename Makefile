# Everything is a target here; `make help` lists them. Recipes are plain POSIX shell.

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed
PURE  := controller.sync.plan controller.sync.parse

# How many tests run at once; each worker of the end-to-end tests has a control plane of its own (600 MB). They wait for
# one another and for deadlines, so that four keep two cores busy.
WORKERS ?= 4

# The first interpreter on PATH that is new enough; only used where uv is missing.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

EXPORT := uv export --quiet --frozen --format requirements-txt --all-groups --no-emit-project --no-header --no-annotate

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help install demo dev test lint fmt types crds docs bench lock plane gitea github release-data

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Fill .venv with everything that is needed, exactly as locked

$(STAMP): pyproject.toml uv.lock requirements.txt
	@echo "Filling $(VENV) with what is locked: about a minute the first time." >&2
	@if command -v uv >/dev/null; then \
		uv sync --quiet --frozen --all-groups; \
	else \
		test -n "$(PYTHON)" || { echo "make install: needs Python 3.11 or newer on PATH (or uv)" >&2; exit 1; }; \
		test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
			echo "make install: this Python cannot make a venv (Debian: apt install python3-venv)" >&2; exit 1; }; \
		$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; \
		$(BIN)/python -m pip install --quiet --require-hashes -r requirements.txt && \
		$(BIN)/python -m pip install --quiet --no-deps -e .; \
	fi
	@touch $@

demo: install ## Walk through a sync in both directions and a conflict, on a real local control plane
	@$(BIN)/tandem demo

dev: install ## Keep a local control plane, a Git server and the controller up
	@$(BIN)/tandem dev

test: install lint plane gitea github ## Everything that must hold: lint, types, layers, generated files, all tests
	$(BIN)/python -m pytest tests/unit -n $(WORKERS) $(PURE:%=--cov=%) --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100
	$(BIN)/python -m pytest tests --ignore=tests/unit -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=15

lint: install ## Style, types, the layer rule, generated files and locks in step
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m controller.api.crd --check
	$(BIN)/python -m controller.api.reference --check
	@if command -v uv >/dev/null; then \
		uv lock --quiet --check && $(EXPORT) | cmp - requirements.txt || \
			{ echo "the locks are out of step: run make lock" >&2; exit 1; }; \
	fi
	$(BIN)/mypy

types: install ## mypy, strict
	$(BIN)/mypy

fmt: install ## Format the code and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

crds: install ## Write crds/ and the tables of docs/spec from the types in controller/api
	$(BIN)/python -m controller.api.crd
	$(BIN)/python -m controller.api.reference

docs: install ## Check the documentation: links, and that each list is complete
	$(BIN)/python -m pytest -q tests/unit/docs

bench: install plane ## Measure against the bare client; prints a table, writes bench-results/
	$(BIN)/python -m tests.benchmarks

release-data: install plane ## Store what VERSION=x.y.z leaves behind, for the upgrade tests of later ones
	@$(BIN)/python -m tests.support.release $(VERSION)

plane: install
	@$(BIN)/python -m controller.dev.build

gitea: install
	@$(BIN)/python -m tests.support.giteabuild

github: install
	@$(BIN)/python -m tests.support.githubbuild

lock: ## Resolve dependencies anew (needs uv): uv.lock, and requirements.txt for machines without uv
	uv lock
	$(EXPORT) --output-file requirements.txt
