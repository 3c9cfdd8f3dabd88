# Every command that a person types. A line above a target is its help.
PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.installed
WORKERS ?= 2
LOCK ?= requirements.lock
# A file's tests share a worker. The files start in the order that tests/conftest.py gives them, the long ones first.
SPREAD = -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Tests start many processes, each of which would compile the product anew where the environment forbids to keep bytecode.
test coverage test-all: export PYTHONDONTWRITEBYTECODE =
COMPILE = $(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 --no-header

.PHONY: help install data run ui test coverage test-all check format params stages component lock audit image clean
.DEFAULT_GOAL := help

# lists the targets
help:
	@awk '/^# /{text=substr($$0,3)} /^[a-z-]+:/{split($$1,name,":"); if (text) printf "  %-12s %s\n", name[1], text} !/^# /{text=""}' Makefile

# makes the environment in .venv/ from the hashed lock files
install: $(STAMP)

$(STAMP): requirements.lock requirements-dev.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || python3 -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock -r requirements-dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps -e .
	@touch $@

# lays out the sample images in data/, if data/ is empty
data: install
	@test -n "$$(ls -A data 2>/dev/null)" || $(BIN)/darkroom data sample data

# runs the whole training pipeline on data/ (SET="--set train.epochs=3" changes settings)
run: data
	@$(BIN)/darkroom run $(SET)

# opens MLflow's pages on the tracked runs
ui: install
	@$(BIN)/darkroom ui

# formats the code
format: install
	@$(BIN)/ruff format . && $(BIN)/ruff check --quiet --fix .

# checks format, lint and types
check: install
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy

# runs the tests that need no server, container or browser
test: install
	@$(BIN)/python -m pytest $(SPREAD)

# the same tests, with the coverage floor: they take half as long again
coverage: install
	@rm -f .coverage .coverage.*
	@$(BIN)/coverage run -m pytest $(SPREAD)
	@$(BIN)/coverage combine --quiet && $(BIN)/coverage report

# runs every test, also those that take minutes; starts a Docker engine for them where none answers
test-all: install
	@.ci/with-engine $(BIN)/python -m pytest -m "slow or not slow" $(SPREAD)

# makes the folder of a new step: make component NAME=calibrate
component: install
	@$(BIN)/python -m pipelines.scaffold "$(NAME)"

# writes params.yaml anew from the settings' descriptions; keeps the values that are in it
params: install
	@$(BIN)/python -m pipelines.params_file

# writes dvc.yaml anew from the pipeline's tasks
stages: install
	@$(BIN)/python -m pipelines.version.dvc_file dvc.yaml

# writes the lock files anew: what the product needs, that with what its development needs, and the MLflow server's
lock:
	@$(COMPILE) pyproject.toml $(LOCK_FLAGS) -o $(LOCK)
	@test $(LOCK) != requirements.lock || $(COMPILE) --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	@$(COMPILE) --no-annotate mlflow/requirements.in -o mlflow/requirements.txt

# asks whether a locked package has a known vulnerability (needs PyPI itself: a mirror may not know; docs/security.md)
audit: install
	@$(BIN)/uv tool run --quiet pip-audit@2.10.1 --strict --disable-pip --require-hashes -r requirements.lock

# builds the image of the components and prints its digest (BASE=image, LOCK=file, FLAGS="--network host")
image: install
	@$(BIN)/python -m pipelines.run.image --base "$(BASE)" --lock "$(LOCK)" --name "$(or $(NAME),darkroom)" --flags "$(FLAGS)"

# removes what runs and tests leave, but neither data nor the MLflow store
clean:
	@rm -rf build runs .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*
