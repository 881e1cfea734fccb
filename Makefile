# `make` lists the targets. Everything that is made lies in .venv, and the base in the user's cache.
#
#   PYTHON=/path/to/python3.12   the interpreter for .venv (3.11 or newer; found by itself)
#   TORCH_INDEX=URL              one more package index, such as that of PyTorch's CPU builds
#   ARGS="--port 9000"           further arguments of `sightdesk chat` or of pytest

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The tests' own base, composed once per checkout: no test touches the user's cache.
BASE_CACHE ?= $(CURDIR)/$(VENV)/base-cache
WORKERS ?= 2

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo "$$python"; break; }; done)

.PHONY: help install setup chat test lint format clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Wheels only: no package that would have to be compiled is ever taken.
$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { \
		echo "Sightdesk needs Python 3.11 or newer: install it, or name it with PYTHON=/path/to/python." >&2; \
		exit 1; }
	@echo "==> Python environment in $(VENV)"
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(VENV) holds a Python older than 3.11: run make clean, then try again." >&2; exit 1; }
	@echo "==> Packages (several minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
		$(if $(TORCH_INDEX),--extra-index-url "$(TORCH_INDEX)") --editable '.[dev,train]'
	@touch $@

install: $(STAMP)

setup: install ## Install into .venv and fetch the embedded base, when something changed
	@echo "==> Embedded base"
	@$(BIN)/sightdesk fetch

chat: setup ## Open the chat page in the browser
	@echo "==> Chat"
	@$(BIN)/sightdesk chat $(ARGS)

# One thread a worker: two workers whose torch takes every core each are slower than one.
# By file, so that a file's tests share the model that its fixtures load.
test: install ## Run all tests
	@echo "==> Embedded base for the tests"
	@SIGHTDESK_CACHE_DIR="$(BASE_CACHE)" $(BIN)/sightdesk fetch
	@echo "==> Tests"
	@OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false SIGHTDESK_TEST_BASE_CACHE="$(BASE_CACHE)" \
		$(BIN)/python -m pytest --quiet --numprocesses $(WORKERS) --dist loadfile $(ARGS)

lint: install ## Check style and types
	@echo "==> Style"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . \
		|| { echo "Some files are not formatted: run make format." >&2; exit 1; }
	@echo "==> Types"
	@$(BIN)/mypy

format: install ## Rewrite the sources in the project's style
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format .

clean: ## Remove all that make and the tools made, .venv included
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
