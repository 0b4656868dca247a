# One set of commands, here and in CI. PYTHON=... names the interpreter that `setup` takes.
.DEFAULT_GOAL := help
.PHONY: help setup setup-local lock demo build validate deploy local-up local-deploy local-down demo-deployed invoke test \
	test-browser test-long test-node lint types replay bench bench-detection fuzz
BIN := .venv/bin
UV ?= $(BIN)/uv
# The layers are built with the locked uv; sam reports its use to nobody.
SAM := PATH="$(CURDIR)/$(BIN):$$PATH" SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam
ENV ?= default
LOCAL := .venv-local/bin/python -m local
ASL := build/asl/node_modules/.bin/asl-validator
TRAIL ?= build/demo/AWSLogs
FUZZ_OBJECTS ?= 100000
SEEDS ?= 1,2
SEARCH ?= emulator
COMPILE := UV_SYSTEM_CERTS=1 $(UV) pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --quiet $(LOCK_FLAGS)

help: ## say what each target does
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST))

setup: $(BIN)/.installed ## build .venv from requirements/test.txt; the command is .venv/bin/usage-anomaly

$(BIN)/.installed: requirements/test.txt requirements/install pyproject.toml
	requirements/install .venv requirements/test.txt
	@touch $@

.venv-bench/bin/.installed: requirements/bench.txt requirements/install pyproject.toml
	requirements/install .venv-bench requirements/bench.txt
	@touch $@

.venv-local/bin/.installed: requirements/local.txt requirements/install pyproject.toml
	requirements/install .venv-local requirements/local.txt
	@touch $@

.venv-sam/bin/.installed: requirements/sam.txt requirements/install
	requirements/install .venv-sam requirements/sam.txt tools
	@touch $@

# Without npm the definition of the state machine is checked by the other tests only.
build/asl/.installed: requirements/asl/package-lock.json
	mkdir -p build/asl && cp requirements/asl/package*.json requirements/asl/.npmrc build/asl/
	if command -v npm >/dev/null; then cd build/asl && npm ci --silent --ignore-scripts --no-audit --no-fund && touch .installed || [ "$$CI" != true ]; fi

$(BIN)/uv: $(BIN)/.installed

lock: $(UV) ## write requirements/*.txt from pyproject.toml (LOCK_FLAGS=--upgrade takes newer versions)
	$(COMPILE) pyproject.toml --group aws-runtime -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --extra cli --extra report --group test -o requirements/test.txt
	$(COMPILE) pyproject.toml --extra cli --group bench -o requirements/bench.txt
	$(COMPILE) pyproject.toml --group local -o requirements/local.txt
	$(COMPILE) --group sam -o requirements/sam.txt

demo: setup ## generate a small organization's week of trail files, replay it, show the alert
	$(BIN)/usage-anomaly generate build/demo --seed 7
	$(BIN)/usage-anomaly replay build/demo/AWSLogs --accounts build/demo/accounts.json \
		--output build/demo/account.txt
	$(BIN)/usage-anomaly show --format mail

build: setup .venv-sam/bin/.installed ## build layers and template for AWS; needs no Docker and no Python of Lambda's version
	$(SAM) build --config-env $(ENV)

validate: setup .venv-sam/bin/.installed build/asl/.installed ## check template and state machine
	$(SAM) validate --lint --config-env $(ENV) --region $${AWS_REGION:-us-east-1}
	$(BIN)/cfn-lint template.yaml templates/*.yaml
	@if [ -x $(ASL) ]; then $(BIN)/pytest -q tests/template/test_definition.py; else echo "no npm here: asl-validator left out"; fi

deploy: build ## deploy what was built: make deploy ENV=production FLAGS=--guided
	$(SAM) deploy --config-env $(ENV) $(FLAGS)

setup-local: setup .venv-local/bin/.installed .venv-sam/bin/.installed ## build .venv-local and .venv-sam for the local machine

local-up: setup-local ## start an emulated AWS and a search server on 127.0.0.1; SEARCH=node takes a real OpenSearch
	$(LOCAL) up --search $(SEARCH)

local-deploy: local-up ## sam build and sam deploy onto them
	$(LOCAL) deploy

local-down: ## end them
	if [ -x .venv-local/bin/python ]; then $(LOCAL) down; fi

demo-deployed: local-deploy ## put an incident into the deployed log group, print the mail, end everything
	$(LOCAL) demo; status=$$?; $(LOCAL) down; exit $$status

invoke: setup-local ## run one function in Lambda's runtime loop: make invoke FUNCTION=detect EVENT=events/detect.json
	$(LOCAL) invoke $(FUNCTION) $(EVENT)

test: setup-local build/asl/.installed ## run every test but those in a browser, on a real OpenSearch, and those that take minutes
	$(BIN)/pytest -n auto --dist loadfile

test-browser: setup ## open the page of a replay in Chromium (Debian: apt-get install chromium chromium-driver)
	$(BIN)/pytest -m browser tests/report

test-long: setup ## judge generated weeks of every harmless habit, and three times as much of each
	$(BIN)/pytest -m long tests/detection

test-node: setup-local ## run the tests on a real OpenSearch (needs mvn and Java 21; OPENSEARCH_URL names one with its plugin)
	$(BIN)/pytest -m "node or plugin"

lint: setup ## ruff, formatting, and which package may import which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo

types: setup ## mypy --strict
	$(BIN)/mypy

replay: setup ## replay a folder: make replay TRAIL=path/to/AWSLogs
	$(BIN)/usage-anomaly replay $(TRAIL)

bench: .venv-bench/bin/.installed .venv-local/bin/.installed build ## measure reading against other readers, its memory, the layers, the beginnings, ingest
	.venv-bench/bin/python -m benchmarks.parse
	.venv-bench/bin/python -m benchmarks.subscription
	.venv-bench/bin/python -m benchmarks.jobs
	.venv-bench/bin/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.judging
	$(BIN)/python -m benchmarks.layers
	$(BIN)/python -m benchmarks.ingest

bench-detection: .venv-bench/bin/.installed ## judge generated organizations, beside other detectors: make bench-detection SEEDS=1,2
	.venv-bench/bin/python -m benchmarks.detection --seeds $(SEEDS) --jobs 2 --peers $(FLAGS)

fuzz: setup ## 100,000 mutated objects and records (FUZZ_OBJECTS=...)
	FUZZ_OBJECTS=$(FUZZ_OBJECTS) $(BIN)/pytest tests/fuzz
