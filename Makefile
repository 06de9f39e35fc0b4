# Everything a person does here, by name: `make help`.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_NO_INPUT = 1

BIN := .venv/bin
# The first Python 3.11 that can make a virtual environment.
PYTHON ?= $(shell for python in python3.11 /usr/local/bin/python3.11 /usr/bin/python3.11 python3 python; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null \
	&& command -v $$python && break; done)
NO_PYTHON = Python 3.11 with venv was not found. Install it (Debian: apt-get install python3.11-venv), \
	or name it: make PYTHON=/path/to/python3.11
SANDBOX := $(BIN)/python -m sandbox
JAVASCRIPT := tests/judges/javascript
# The configuration of the sandbox, for tools that load Django's settings. Nothing needs to run for it.
CONFIGURED := settings="$$($(SANDBOX) env manage)" && eval "$$settings" &&

##@ Run

.PHONY: up
up: .venv/.installed .venv-aws/.installed ## Start all of it on this machine [PORTS=28000] [DETACH=1]; Ctrl-C stops it
	@$(SANDBOX) up $(if $(PORTS),--ports $(PORTS)) $(if $(filter-out 0,$(DETACH)),--detach)

.PHONY: demo
demo: .venv/.installed .venv-aws/.installed ## Tell the whole story, on what runs or on a fresh start [CSV=path]
	@$(SANDBOX) status >/dev/null || $(SANDBOX) up --detach
	@$(BIN)/python -m sandbox.demo $(CSV)

.PHONY: down
down: .venv/.installed ## Stop it
	@$(SANDBOX) down

.PHONY: status
status: .venv/.installed ## Show what runs
	@$(SANDBOX) status

.PHONY: logs
logs: .venv/.installed ## Show the logs, and follow them in a terminal [NAME=worker-us-east-2]
	@$(SANDBOX) logs $(NAME)

.PHONY: reset
reset: .venv/.installed ## Stop it and delete all keys and data [YES=1]
	@$(SANDBOX) reset $(if $(filter-out 0,$(YES)),--yes)

##@ Rehearse

.PHONY: fault
fault: .venv/.installed ## Let KMS misbehave: REGION= MODE=down|blackhole|slow|throttled|errors|material-outage [OPERATION=] (docs/sandbox.md has the rest)
	@$(SANDBOX) fault $(REGION) $(MODE) $(if $(OPERATION),--operation $(OPERATION)) $(if $(SHARE),--share $(SHARE)) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(MEDIAN),--median $(MEDIAN)) $(if $(P99),--p99 $(P99)) \
		$(if $(CODE),--code $(CODE)) $(if $(filter-out 0,$(LATE)),--late)

.PHONY: heal
heal: .venv/.installed ## End the faults of KMS [REGION=] [OPERATION=]
	@$(SANDBOX) heal $(REGION) $(if $(OPERATION),--operation $(OPERATION))

.PHONY: quotas
quotas: .venv/.installed ## Enforce the request quotas of AWS KMS: ON=1 [SCALE=0.1], or ON=0
	@$(SANDBOX) quotas $(if $(filter-out 0,$(ON)),on,off) $(if $(SCALE),--scale $(SCALE))

.PHONY: clock
clock: .venv/.installed ## Let days pass in KMS at once: DAYS=30 (rotation, deletion)
	@$(SANDBOX) clock $(DAYS)

.PHONY: kill-region start-region
kill-region: .venv/.installed ## End a Region as a power cut would: REGION= [PART=database|kms|gateway]
	@$(SANDBOX) kill-region $(REGION) $(PART)
start-region: .venv/.installed ## Bring it back: REGION= [PART=]
	@$(SANDBOX) start-region $(REGION) $(PART)

.PHONY: switchover failover
switchover: .venv/.installed ## Make another Region's database the writer, without loss: REGION= [ARGS=--rehearse]
failover: .venv/.installed ## The same when the writer is lost: REGION= [ARGS=--rehearse]
switchover failover:
	$(if $(REGION),,$(error Which Region takes over? make $@ REGION=eu-west-1))
	@settings="$$($(SANDBOX) env failover $(REGION))" && eval "$$settings" \
		&& $(BIN)/python manage.py $@ $(REGION) --yes $(ARGS)

##@ Develop

.PHONY: test
test: .venv/.installed .venv-aws/.installed ## Run the tests on real servers, two at a time [ARGS="-k search -n 0"]
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

.PHONY: check check-format check-lint check-types check-layers check-django
check: check-format check-lint check-types check-layers check-django ## Check format, lint, types, layers, migrations
check-format: .venv/.installed
	$(BIN)/ruff format --check .
check-lint: .venv/.installed
	$(BIN)/ruff check .
check-types: .venv/.installed
	@$(CONFIGURED) set -x && $(BIN)/mypy .
check-layers: .venv/.installed
	$(BIN)/lint-imports
check-django: .venv/.installed
	@$(CONFIGURED) set -x && $(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run \
		&& $(BIN)/python manage.py check --fail-level WARNING

.PHONY: fmt
fmt: .venv/.installed ## Format, and repair what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: judges
judges: .venv/.installed .venv-judges/.installed $(JAVASCRIPT)/node_modules/.installed ## Install what judges the crypto core from outside

.PHONY: vectors
vectors: .venv/.installed ## Make our own test vectors again and show any difference [ARGS=--write]
	@$(BIN)/python -m tests.vectors.freeze $(ARGS)

.PHONY: fuzz
fuzz: .venv/.installed .venv-judges/.installed ## Fuzz the door of the crypto core [SECONDS=60]
	@$(BIN)/python -m tests.judges.fuzz -max_total_time=$(or $(SECONDS),60)

.PHONY: mutants
mutants: .venv/.installed .venv-judges/.installed ## Change the crypto core in small ways and list what no test notices
	@$(BIN)/python -m tests.judges.mutants

.PHONY: bench
bench: .venv/.installed .venv-bench/.installed ## Measure seal and open beside other libraries, and the KMS stand-in
	@.venv-bench/bin/python -m bench.bench_envelope
	@$(BIN)/python -m bench.bench_kms

COMPILE = $(BIN)/uv pip compile --quiet --cache-dir .venv/.uv --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links
.PHONY: lock
lock: .venv/.installed ## Compile the requirements to lock files with hashes [ARGS=--upgrade]
	$(COMPILE) $(ARGS) requirements.txt -o requirements.lock
	$(COMPILE) $(ARGS) requirements-dev.txt -o requirements-dev.lock
	$(COMPILE) $(ARGS) sandbox/requirements.txt -o sandbox/requirements.lock
	$(COMPILE) $(ARGS) bench/requirements.txt -o bench/requirements.lock
	$(COMPILE) $(ARGS) tests/judges/requirements.txt -o tests/judges/requirements.lock

.PHONY: clean
clean: ## Delete the virtual environments and all caches; the sandbox's data stays
	rm -rf .venv .venv-aws .venv-bench .venv-judges $(JAVASCRIPT)/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## Show this
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Set-up, which the targets above ask for when a lock file is newer than what is installed.

.venv/.installed: requirements-dev.lock
	$(if $(PYTHON),,$(error $(NO_PYTHON)))
	@echo "Installing what the project needs into .venv ..."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

.venv-aws/.installed: sandbox/requirements.lock
	$(if $(PYTHON),,$(error $(NO_PYTHON)))
	@echo "Installing the Parameter Store emulator into .venv-aws ..."
	@$(PYTHON) -m venv --clear .venv-aws
	@.venv-aws/bin/python -m pip install --quiet --require-hashes -r sandbox/requirements.lock
	@touch $@

.venv-judges/.installed: tests/judges/requirements.lock
	$(if $(PYTHON),,$(error $(NO_PYTHON)))
	@echo "Installing the judges of the crypto core into .venv-judges ..."
	@$(PYTHON) -m venv --clear .venv-judges
	@.venv-judges/bin/python -m pip install --quiet --require-hashes -r tests/judges/requirements.lock
	@touch $@

$(JAVASCRIPT)/node_modules/.installed: $(JAVASCRIPT)/package-lock.json
	@echo "Installing the Encryption SDK for JavaScript ..."
	@npm ci --silent --no-audit --no-fund --prefix $(JAVASCRIPT)
	@touch $@

.venv-bench/.installed: bench/requirements.lock
	$(if $(PYTHON),,$(error $(NO_PYTHON)))
	@echo "Installing what the benchmarks compare with into .venv-bench ..."
	@$(PYTHON) -m venv --clear .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --require-hashes -r bench/requirements.lock
	@touch $@
