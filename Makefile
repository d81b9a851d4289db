# Eclusa. `make help` lists the targets; README.md shows the first five minutes.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CHECKED  := --explicit-target-dependency-import-check error
RELEASE  := -c release --static-swift-stdlib -Xswiftc -cross-module-optimization
PROGRAMS := eclusa eclusa-control eclusa-gateway eclusa-stand-in
BIN      := .build/release

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- run -------------------------------------------------------------------------------------------------------------

up: release ## install, build, start everything on this machine; Ctrl-C stops it
	@set -a; [ ! -f .env ] || . ./.env; exec $(BIN)/eclusa up $(ARGS)

down: ## stop what a `make up` left running
	@if [ -x $(BIN)/eclusa ]; then exec $(BIN)/eclusa down; else echo "nothing is built, so nothing runs"; fi

reset: ## stop, and delete the data of `make up` (asks first; YES=1 answers)
	@if [ -x $(BIN)/eclusa ]; then exec $(BIN)/eclusa reset $(if $(YES),--yes); else rm -rf .eclusa; fi

dev: install ## rebuild and restart on every saved file (debug build)
	@exec infrastructure/dev/loop

# --- build -----------------------------------------------------------------------------------------------------------

install:
	@infrastructure/ci/install
	@infrastructure/ci/install-api-docs

install-test:
	@infrastructure/ci/install infrastructure/ci/packages.txt infrastructure/ci/packages-test.txt

install-check:
	@infrastructure/ci/install infrastructure/ci/packages.txt infrastructure/ci/packages-check.txt

install-bench:
	@infrastructure/ci/install infrastructure/ci/packages.txt infrastructure/ci/packages-bench.txt

build: install ## debug build of everything
	swift build $(CHECKED)

release: install ## release build of the programs
	@infrastructure/ci/build-release

# --- test ------------------------------------------------------------------------------------------------------------

test: install-test check unit fuzz-slice simulate end-to-end ## every test: format, warnings, imports, unit, fuzz, simulation, end to end
	@echo "make test: all of it passed"

lint: install ## format lint
	@swift format lint --strict --parallel --recursive $$(git ls-files '*.swift')

check: lint install-check ## every linter: format, manifests, policies, rules, dashboards, Terraform, links
	@Tests/Infrastructure/run

format: ## format the Swift sources in place
	@swift format --in-place --parallel --recursive $$(git ls-files '*.swift')

SEEDS ?= 200
simulate: install-test ## the seeded simulation of both planes, in release: make simulate SEEDS=20000
	swift build $(RELEASE) $(CHECKED) --product eclusa-simulate
	@$(BIN)/eclusa-simulate --seeds $(SEEDS) $(ARGS)

NODES ?= 1000
many-nodes: install-test ## so many nodes connect, get a change and come back at once: make many-nodes NODES=1000
	swift build --build-tests $(CHECKED)
	ECLUSA_FAKE_NODES=$(NODES) swift test --skip-build --disable-xctest --filter ManyNodesTests

unit: install-test ## unit, contract, database and tidy tests, with the coverage gate
	swift build --build-tests $(CHECKED) --enable-code-coverage
	@infrastructure/ci/unit
	@infrastructure/ci/coverage

coverage: unit ## the coverage table and its gate

end-to-end: release install-test ## real processes, real SDKs
	@Tests/EndToEnd/run

test-slow: release install-test ## the tests that take minutes: the long fuzz of the admin API, the whole matrix of SDKs
	@Tests/EndToEnd/run -m slow
	@ECLUSA_MATRIX=whole Tests/EndToEnd/run

chaos: release install-test ## kill, cut off, fill up and restore real processes, a minute each (ECLUSA_CHAOS_SECONDS)
	@ECLUSA_CHAOS_SECONDS=$${ECLUSA_CHAOS_SECONDS:-60} Tests/Chaos/run

rolling-upgrade: release install-test install-check ## replace 2 control planes and 3 gateways behind HAProxy under load, twice; nothing may break
	@Tests/Chaos/run -s Tests/Chaos/test_rolling_upgrade.py

soak: release install-test ## a long run with mixed load and faults, and its table of drift (ECLUSA_SOAK_MINUTES=30)
	@ECLUSA_SOAK_MINUTES=$${ECLUSA_SOAK_MINUTES:-30} Tests/Chaos/run -s Tests/Chaos/test_soak.py

fuzz: install ## each fuzz target for SECONDS (60)
	@Tests/Fuzz/run

fuzz-slice: install ## a short, bounded piece of it, for `make test`
	@SECONDS=10 EXECUTIONS=200000 Tests/Fuzz/run

bench: install-bench ## the gateway against nginx on this machine, in the same minute
	swift build $(RELEASE) --product eclusa-bench
	@exec $(BIN)/eclusa-bench $(ARGS)

bench-litellm: install-bench ## the gateway against LiteLLM's proxy on one core, in the same minute
	@Tests/Benchmarks/litellm
	swift build $(RELEASE) --product eclusa-bench
	@exec $(BIN)/eclusa-bench --litellm "$$PWD/.venv-litellm/bin/litellm" $(ARGS)

bench-control: install-bench ## the control plane: reads, lists over a million keys, a flood of sign-ins
	swift build $(RELEASE) --product eclusa-bench
	@exec $(BIN)/eclusa-bench --control 1000000 $(ARGS)

bench-snapshots: install-test ## a snapshot of a million keys: publish, boot, lookup, memory, beside their goals
	swift build $(RELEASE) --product eclusa-bench-snapshots
	@exec $(BIN)/eclusa-bench-snapshots $(ARGS)

EVENTS ?= 10000000
bench-usage: install-test ## reports and exports over ten million calls, and how fast usage is taken in, beside their goals
	swift build $(RELEASE) --product eclusa-bench-snapshots
	swift build $(RELEASE) --product eclusa-control
	@exec $(BIN)/eclusa-bench-snapshots --usage $(EVENTS)

OPERATIONS ?= 100000
ledger: install-test ## random histories of everything that moves money; its seed is printed: make ledger OPERATIONS=100000
	swift build --build-tests $(CHECKED)
	ECLUSA_LEDGER_OPERATIONS=$(OPERATIONS) swift test --skip-build --disable-xctest --filter LedgerHistoryTests

schema: build ## rewrite ControlPlane/Migrations/schema.sql from the migrations
	@infrastructure/dev/schema

documents: build ## rewrite the generated documents: OpenAPI, errors, settings, endpoints
	@infrastructure/dev/documents

clean: ## delete what was built (not the data of `make up`)
	rm -rf .build .venv .venv-* .api-docs

.PHONY: help up down reset dev install install-test install-check install-bench build release test check lint format simulate many-nodes unit coverage \
	end-to-end test-slow chaos rolling-upgrade soak fuzz fuzz-slice bench bench-litellm bench-control bench-snapshots bench-usage ledger schema documents clean
