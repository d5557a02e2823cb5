# World Brief. `make help` lists the targets; `make check` is exactly what CI runs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUN    := $(VENV)/.run-$(shell cat requirements.txt pyproject.toml | cksum | cut -d' ' -f1)
PEERS  := build/peers/.made-$(shell cat tests/bench/vendors/* | cksum | cut -d' ' -f1)
DEV    := $(VENV)/.dev-$(shell cat requirements-dev.txt pyproject.toml | cksum | cut -d' ' -f1)

.DEFAULT_GOAL := help
.PHONY: help demo serve test check bench fmt lock golden messages clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

demo: $(RUN)  ## build today's brief from the samples and send it to 1,000 sample subscribers
	@$(BIN)/worldbrief demo

serve: $(RUN)  ## start the whole product on one port, with a postbox as its relay
	@$(BIN)/worldbrief run --postbox

test: $(DEV)  ## run the tests (PostgreSQL and Chromium ones when present)
	@$(BIN)/pytest -q -n auto

check: $(DEV)  ## what CI runs: format, lint, types, import rules, tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest -q -n auto

bench: $(DEV) $(PEERS)  ## print the benchmarks' tables
	@$(BIN)/python -m tests.bench

fmt: $(DEV)  ## format and mend what ruff can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

golden: $(DEV)  ## regenerate the golden proofs; read the difference before committing it
	@WORLD_BRIEF_GOLDEN=write $(BIN)/pytest -q tests/rendering

messages: $(DEV)  ## bring the catalogues of templates/locale up to date with pages and letters
	@$(BIN)/python -m tests.tools.messages

lock: $(DEV)  ## pin the requirements again (needs uv on the PATH)
	@uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-header --no-annotate --upgrade \
		--extra postgres --group build pyproject.toml -o requirements.txt
	@uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-header --no-annotate --upgrade \
		--extra postgres --extra dev --group build pyproject.toml -o requirements-dev.txt
	@uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-header --no-annotate --upgrade \
		tests/bench/vendors/requirements.in -o tests/bench/vendors/requirements.txt

clean:  ## remove the environment, caches and the demo's data
	@rm -rf $(VENV) build/peers var .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV)

$(RUN): | $(BIN)/python
	@echo "installing into $(VENV) ..."
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.run-* && touch $@

$(DEV): $(RUN)
	@echo "installing the development tools ..."
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@rm -f $(VENV)/.dev-* && touch $@

# What the benchmarks compare with is never installed into the product's own environment.
$(PEERS):
	@echo "installing what the benchmarks compare with ..."
	@$(PYTHON) -m venv build/peers
	@build/peers/bin/pip install -q --disable-pip-version-check --require-hashes -r tests/bench/vendors/requirements.txt
	@cp tests/bench/vendors/package.json tests/bench/vendors/package-lock.json tests/bench/vendors/nodemailer.mjs build/peers
	@if command -v npm >/dev/null; then npm ci --prefix build/peers --silent --no-audit --no-fund; fi
	@rm -f build/peers/.made-* && touch $@
