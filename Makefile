PYTHON ?= python3
UV = $(shell command -v uv || echo .venv/bin/uv)
READY = .venv/ready
# A build of torch as uv names it (cpu, cu128, ...), which the environment remembers; without it that of the lock, CUDA.
TORCH ?= $(shell cat .venv/torch 2>/dev/null)
LOCKED = $(if $(TORCH),--torch-backend $(TORCH) -r .venv/torch.lock,-r requirements.lock)
RUN = $(CURDIR)/.venv/bin

.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

train: $(READY) ## the main job on embedded defaults, offline: at most 3 minutes on 2 cores (ARGS="task=segmentation" changes it)
	$(RUN)/candelabra train $(if $(ARGS),$(ARGS),minutes=2.5)

# A worker more than there are processors was no faster.
test: $(READY) ## all tests but the slow ones
	$(RUN)/pytest -n auto --dist worksteal $(ARGS)

test-all: $(READY) ## the slow ones too
	$(RUN)/pytest -n auto --dist worksteal -m "slow or not slow" $(ARGS)

check: $(READY) ## lint, format, types and layers
	$(RUN)/ruff check . && $(RUN)/ruff format --check . && $(RUN)/mypy && $(RUN)/lint-imports

format: $(READY) ## bring the code into shape
	$(RUN)/ruff check --fix . && $(RUN)/ruff format .

docs: $(READY) ## the documentation as a site, in docs/_build; warnings are errors
	$(RUN)/python -m sphinx -W --keep-going -q -b html docs docs/_build

lock: $(READY) ## resolve the exact versions again
	$(UV) pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links --upgrade -o requirements.lock

setup: $(READY) ## the environment alone, in .venv (TORCH=cpu: without CUDA)

$(READY): requirements.lock pyproject.toml
	@test -x .venv/bin/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "candelabra needs Python 3.11 or newer: make PYTHON=python3.12 setup")'
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv || uv venv --python $(PYTHON) .venv
	@command -v uv >/dev/null || test -x .venv/bin/uv || .venv/bin/python -m pip install --quiet uv
	@# bytecode: where PYTHONDONTWRITEBYTECODE is set, each command would compile torch and lightning anew
	@echo "installing exact versions from requirements.lock into .venv"
	$(if $(TORCH),@echo $(TORCH) >.venv/torch; grep -vE '^(nvidia|cuda|triton)[-=]' requirements.lock >.venv/torch.lock)
	@uv=$$(command -v uv || echo .venv/bin/uv); $$uv pip install --quiet --compile-bytecode --python .venv/bin/python $(LOCKED) \
		&& $$uv pip install --quiet --python .venv/bin/python --no-deps --editable .
	@.venv/bin/python -m compileall -q src
	@touch $(READY)

.PHONY: help train test test-all check format docs lock setup
