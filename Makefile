# What to type. Every target that needs the tools sets them up first; `make help` lists them.
PYTHON ?= python3
VENV := .venv
# What makes a bundle needs a twentieth of that, and nothing of the node.
BUILDER := .venv-build
DIST := dist
# Who makes releases names his own key; without one a key for trying out is made.
KEY ?= dist/trial.key
# How much a soak is to do; SEED=… repeats one, and the random choices of test-long and fuzz.
N ?= 10000
KILLS ?= 200
SEED ?=
# SHUFFLE=… tells tests in a random order that follows from it; 0 takes a new one.
SHUFFLE ?=
# Documents and statuses that a property is tried with, and documents over all doors.
EXAMPLES ?= 20000
DOORS ?= 500
# Seconds of fuzzing for each target.
FUZZ_S ?= 300
# Calls of each operation of the API that fuzzing makes.
CALLS ?= 200
# Virtual hours of a simulation, the event at which its film ends, and anything: make a failing one smaller. Which nodes it
# has: office or no-office; the seed decides where neither is named.
HOURS ?= 1.5
UNTIL ?=
SHRINK ?=
NODES ?=
# Anything: less of every measurement.
QUICK ?=
# What is run alone: files of tests, targets of fuzzing, measurements.
ONLY ?=
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet

# Tests start the program hundreds of times; without this each start would compile it anew.
unexport PYTHONDONTWRITEBYTECODE
SERVICES = $(BIN)/python -m tests.services
# Five processes, as these tests wait more.
# Walks of an hour, which have a target of their own.
KILLED = tests/long/faults/test_log_volume.py tests/long/faults/test_province_killed.py tests/long/faults/test_webhooks_killed.py \
  tests/long/faults/test_numbers_killed.py tests/office/long/faults/test_reminders_killed.py
WALKS = tests/bench tests/labs/long/acceptance tests/labs/long/sandbox tests/long/acceptance/test_bundle.py tests/long/acceptance/test_make_targets.py \
  tests/long/acceptance/test_packages.py tests/labs/long/faults/test_new_passwords.py tests/long/integration/test_backup_restore.py tests/office/long/pages/test_every_page.py
LONG = $(SEED:%=TEST_SEED=%) $(SERVICES) $(BIN)/pytest -n 5 -m "long or hypothesis" --resource-warnings $(KILLED:%=--ignore %) $(WALKS:%=--ignore %)
ORDER = $(SHUFFLE:%=--shuffle %)

.DEFAULT_GOAL := help
.PHONY: help setup run test test-long walks unit property threats faults kills planted soak simulate fuzz lint check check-types check-others pictures answers bench clients bundle deb image clean

help: ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.dev ## make .venv with everything for work on the code

run: $(VENV)/.run ## serve a demonstration: axis, authority, three agencies, sample documents
	$(BIN)/gateway demo

test: $(VENV)/.dev ## prove a change (a quarter of an hour on two cores), on a real RabbitMQ, PostgreSQL and Chromium that it brings up
	$(SERVICES) $(BIN)/python -m tests.lane -n 4 -m "not long" --ignore tests/long --ignore tests/office/long --ignore tests/bench/long --ignore tests/labs/long $(ORDER) $(ONLY)  # four, as many of them wait for servers and idle readers

test-long: $(VENV)/.dev ## all that `make test` samples: simulated worlds, fuzz, hostile files, pages, broken servers; before a release
	$(LONG) $(ORDER) $(ONLY) || { echo "Failed. These tests once more, to name where an object that was not closed was made:"; \
	  PYTHONTRACEMALLOC=3 $(LONG) --last-failed; exit 1; }

walks: $(VENV)/.dev ## what a release walks besides (an hour): bundle and upgrade, packages, every page, benches, soak, every backup
	$(SEED:%=TEST_SEED=%) $(SERVICES) $(BIN)/pytest -n 3 -m long $(or $(ONLY),$(WALKS))

unit: $(VENV)/.dev ## run the unit tests alone, without servers
	$(BIN)/pytest -q -m "not long" $(or $(ONLY),tests/unit tests/office/unit tests/foreign/unit tests/bench/unit)

property: $(VENV)/.dev ## prove with EXAMPLES documents and statuses that accepted means it can be sent (long)
	PROPERTY_EXAMPLES=$(EXAMPLES) $(BIN)/pytest -q -m long --timeout 0 tests/unit/outgoing/test_accepted_is_sendable.py
	EVERY_DOOR=$(DOORS) $(BIN)/pytest -q -m long --timeout 0 tests/office/acceptance/test_every_door.py

threats: $(VENV)/.dev ## try every threat of the list at every door and print the table
	$(BIN)/python -m tests.services $(BIN)/python -m tests.threats $(ONLY)

faults: $(VENV)/.dev ## put each fault of the table on two nodes at work, and print what shows it after how many seconds; ONLY names rows (40 minutes)
	rm -rf dist/faults
	FAULT_ROWS=all FAULT_S=60 $(SERVICES) $(BIN)/pytest -n 3 --dist worksteal -m long tests/labs/long/faults/test_fault_table.py $(ONLY:%=-k "%"); status=$$?; \
	  $(BIN)/python -m tests.labs.fault_table.report && exit $$status

kills: $(VENV)/.dev ## break each call for an hour, kill a province, callers of webhooks and reminders (long)
	$(SEED:%=TEST_SEED=%) $(SERVICES) $(BIN)/pytest -n 2 -m long $(or $(ONLY),$(KILLED))

planted: $(VENV)/.dev ## plant faults of one line and say in how many simulated worlds each is found; ONLY names some (long)
	$(BIN)/python -m tests.simulation.planted $(ONLY)

soak: $(VENV)/.dev ## send N documents while KILLS faults strike nodes, a cluster of brokers and PostgreSQL (long)
	$(BIN)/python -m bench.soak --axis amqp --database postgresql --broker-nodes 3 --n $(N) --kills $(KILLS) $(SEED:%=--seed %)

simulate: $(VENV)/.dev ## run the world of a seed (SEED, else a new one) for HOURS virtual hours; UNTIL ends its film, SHRINK=1 makes a failing one smaller, NODES=office or no-office, AXIS=hub or embedded and FOLDER=hot-folder or no-hot-folder choose
	$(BIN)/python -m tests.simulation --hours $(HOURS) $(SEED:%=--seed %) $(UNTIL:%=--until %) $(SHRINK:%=--shrink) $(NODES:%=--%) $(AXIS:%=--axis %) $(FOLDER:%=--%)

fuzz: $(VENV)/.dev ## give every reader of foreign bytes bad ones for FUZZ_S seconds, and the API bad calls (long)
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_S) $(SEED:%=--seed %) $(ONLY)
	$(BIN)/python -m tests.fuzz.api $(CALLS)

lint: $(VENV)/.dev ## format and mend what can be mended
	$(BIN)/ruff format gateway office foreign labs clients tests bench tools
	$(BIN)/ruff check --fix gateway office foreign labs clients tests bench tools

# Checking the types takes as long as all other checks together, so each has a processor.
check: $(VENV)/.dev ## what CI checks beside the tests (a minute): style, types, imports, dead code, reach, words, order, size, dependencies
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target check-types check-others

check-types:
	$(BIN)/mypy

check-others:
	$(BIN)/ruff format --check gateway office foreign labs clients tests bench tools
	$(BIN)/ruff check gateway office foreign labs clients tests bench tools
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/dead_code.py
	$(BIN)/python tools/reach.py --limit 55300
	$(BIN)/python tools/state_words.py
	$(BIN)/python tools/plain_words.py --check
	$(BIN)/python tools/order.py gateway office foreign labs
	$(BIN)/python tools/size.py --check
	$(BIN)/python tools/dependencies/check.py

pictures: $(VENV)/.dev ## take every page as a picture into dist/pictures: wide, on a phone, ten in dark (long)
	LIENTHONG_PICTURES=dist/pictures $(SERVICES) $(BIN)/pytest -q -m long tests/office/long/pages/test_every_page.py

answers: $(VENV)/.dev ## record the golden answers of the API anew, which the pages of the API and the guides show; ONLY names tests
	$(BIN)/python -m tests.services $(BIN)/python -m tests.office.record_answers $(ONLY)

bench: $(VENV)/.dev ## measure what a document costs; QUICK=1 within five minutes
	$(BIN)/python -m bench $(if $(QUICK),--quick) $(ONLY)

clients: $(VENV)/.dev ## packages of clients in Python, Java, TypeScript and C# into dist; ONLY names languages
	$(BIN)/python tools/make_clients.py $(ONLY)

bundle: $(BUILDER)/.made ## everything to install without a network: dist/gateway-VERSION-bundle.tar; KEY=file signs it
	$(BUILDER)/bin/python tools/bundle/build.py --out $(DIST) --key $(KEY)

deb: bundle ## the package for Debian of that bundle, with Debian's own Python: dist/lienthong-gateway_VERSION_ARCHITECTURE.deb
	$(BUILDER)/bin/python tools/bundle/deb.py --out $(DIST) --key $(KEY)

image: deb ## the image of that package for containers, made without an engine: dist/gateway-image.tar
	tools/bundle/image.sh $$(ls -t $(DIST)/lienthong-gateway_*.deb | head -1) $(DIST)/gateway-image.tar

clean: ## remove what the targets made
	rm -rf $(VENV) $(BUILDER) var .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Wheels alone, with pinned digests: nothing is compiled and nothing else is fetched.
$(VENV)/.run: requirements.lock requirements-build.lock labs/requirements.lock pyproject.toml office/pyproject.toml foreign/pyproject.toml labs/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --only-binary :all: --require-hashes -r requirements.lock -r requirements-build.lock -r labs/requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable . --editable office --editable foreign --editable labs
	@touch $@

$(BUILDER)/.made: requirements-build.lock
	$(PYTHON) -m venv $(BUILDER)
	$(BUILDER)/bin/pip --disable-pip-version-check --quiet install --only-binary :all: --require-hashes -r requirements-build.lock
	@touch $@

# Few of these tools are started in a run of the tests, so they are compiled on first use.
$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	$(PIP) install --no-compile --only-binary :all: --require-hashes -r requirements-dev.lock
	@touch $@
