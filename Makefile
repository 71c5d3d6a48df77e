# Two commands: `make demo` and `make test`. `make help` lists the rest.
#
# All builds share one folder outside the clone, so that RocksDB compiles once for every clone on the machine.

export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tributary/target
# RocksDB compiles in half the time with clang.
ifeq ($(origin CC),default)
CC := clang
endif
ifeq ($(origin CXX),default)
CXX := clang++
endif
export CC CXX

TRIBUTARY := $(CARGO_TARGET_DIR)/debug/tributary

.PHONY: help setup build demo stop test lint audit bench-processor bench-recovery chaos-processor \
	bench-edge chaos-edge

help:
	@echo "make demo   everything from an empty machine: servers, roles, 378,209 clicks, the figures checked"
	@echo "make stop   stop what the demo left running"
	@echo "make test   all tests, on real Kafka and ClickHouse that they start and stop themselves"
	@echo "make lint   formatting, clippy, dependency arrows, licences"
	@echo "make bench-processor   the processor beside Kafka Streams on one broker; PEERS=, SETS=, CLICKS=, KEEP=1: see the script's head"
	@echo "make chaos-processor   50 faults under a million clicks (SEED=, CLICKS=, FAULTS=): nothing lost, doubled or wrong"
	@echo "make bench-edge   an acknowledged click and event beside bare nginx and other collectors; PEERS=, ROUNDS=: see the script's head"
	@echo "make chaos-edge   the edge killed, Kafka stopped, the spool's disk full under load (SEED=, RATE=): nothing acknowledged is lost"
	@echo "make audit   attributions and balances recomputed in SQL, on the journeys and on a million generated clicks (SEED=, CLICKS=)"
	@echo "make bench-recovery    from kill -9 to the next decision, with 10 M clicks of state (CLICKS=, REREAD=)"

setup:
	@scripts/setup.sh

build: setup
	cargo build --workspace

demo: build
	@TRIBUTARY=$(TRIBUTARY) scripts/demo.sh start

stop:
	@TRIBUTARY=$(TRIBUTARY) scripts/demo.sh stop

test:
	@scripts/setup.sh chromium
	@scripts/test.sh

lint: setup
	@scripts/lint.sh

bench-processor: build
	@TRIBUTARY=$(TRIBUTARY) scripts/bench-processor.sh

audit: build
	@TRIBUTARY=$(TRIBUTARY) scripts/audit.sh

chaos-processor: build
	@TRIBUTARY=$(TRIBUTARY) scripts/chaos.sh chaos-processor

bench-recovery: build
	@TRIBUTARY=$(TRIBUTARY) scripts/chaos.sh bench-recovery

bench-edge: build
	@TRIBUTARY=$(TRIBUTARY) scripts/bench-edge.sh

chaos-edge: build
	@TRIBUTARY=$(TRIBUTARY) scripts/chaos-edge.sh
