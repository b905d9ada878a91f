# The commands of this project; `make help` lists them. Each sets up what it needs in .venv, which is ignored by git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Each file of tests stays in one process, since its tests share what they set up.
PYTEST := $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile
SLOW := bench chaos container engine interleavings local simulation
SOURCES := __main__.py function infra pipeline_app tests

.DEFAULT_GOAL := help
# What is compiled for each Python that is promised, with the hashes of all files that it may be.
LOCKS := function pipeline_app pipeline_app/sample . tests tests/function/real_worker
.PHONY: acceptance bench chaos clean demo format help lint local locks pulumi quick setup simulate test

help: ## List the commands.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

acceptance: $(VENV)/.run ## Ask Azure what only Azure knows, by a throw-away stack that costs (STACK=name, docs/acceptance.md).
	@$(BIN)/python -m infra.acceptance --stack "$(STACK)" $(ARGS)

demo: $(VENV)/.run ## Process the sample files (or FILE=path) on this machine and show the results.
	@$(BIN)/python -m infra.local demo $(if $(FILE),'$(subst ','\'',$(value FILE))')

local: $(VENV)/.run ## Stay up on this machine and serve any Azure client until Ctrl-C.
	@$(BIN)/python -m infra.local up

pulumi: $(VENV)/.run ## Install the Pulumi CLI of the SDK's version into .venv/bin, by its hash.
	@$(BIN)/python -m infra.pulumi_install

locks: $(VENV)/.test ## Make each requirements.txt anew from the requirements.in beside it (ARGS="--upgrade-package NAME").
	@for folder in $(LOCKS); do \
		(cd "$$folder" && UV_PYTHON_DOWNLOADS=never "$(CURDIR)/$(BIN)/uv" pip compile --universal --generate-hashes \
			--no-annotate --python-version 3.11 --output-file requirements.txt requirements.in $(ARGS) >/dev/null) || exit 1; \
	done

quick: $(VENV)/.test ## Run the tests that start neither the stack nor containers nor programs: some minutes.
	$(PYTEST) $(SLOW:%=--ignore=tests/%) $(ARGS)

setup: $(VENV)/.run ## Install what the program needs into .venv, each package by its hash.

test: $(VENV)/.test ## Run all tests, in as many processes as there are cores, up to 4.
	$(PYTEST) $(ARGS)

lint: $(VENV)/.test ## Check style, types, imports, spelling, shell scripts, the Dockerfile and the workflows.
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	PYTHONPATH=.:function $(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/codespell
	$(BIN)/shellcheck --external-sources .ci/docker-engine .ci/interpreters .ci/on-interpreter .ci/run $$(git ls-files '*.sh')
	$(BIN)/hadolint pipeline_app/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.renovate renovate.json
	$(BIN)/zizmor --offline --no-progress --quiet .github/workflows

format: $(VENV)/.test ## Bring the sources into shape.
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

chaos: $(VENV)/.test ## Kill workers, storage and whole runs over thousands of files, and fuzz (ARGS="--seed N" repeats).
	$(BIN)/python -m tests.chaos $(ARGS)
	$(BIN)/python -m tests.interleavings
	HYPOTHESIS_PROFILE=chaos $(BIN)/python -m pytest tests/hostile -o timeout=3600

bench: $(VENV)/.test ## Measure everything beside its peers (ARGS="--only small" for a part, "--help" for more).
	@mkdir -p .build
	$(BIN)/python -m tests.bench --markdown .build/bench.md --chart .build/bench.svg $(ARGS)

simulate: $(VENV)/.test ## Simulate what the pipeline carries, in virtual time (ARGS="--seed N"; "--exact" takes minutes).
	@mkdir -p .build
	$(BIN)/python -m tests.simulation --markdown .build/simulation.md --chart .build/simulation.svg $(ARGS)

clean: ## Remove everything that the other commands made, but keep the data of local runs.
	rm -rf $(VENV) .azurite .build .artifact_cache .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || \
		{ echo "$(PYTHON) is too old or too new; install Python 3.11 to 3.14 or say PYTHON=/path/to/python3.13." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt | $(VENV)/bin/python
	@echo "Fetching the packages of requirements.txt into $(VENV), once: a minute or two."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt
	@touch $@

$(VENV)/.test: tests/requirements.txt $(VENV)/.run
	@echo "Fetching the packages of tests/requirements.txt into $(VENV), once: a minute or two."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement tests/requirements.txt
	@touch $@
