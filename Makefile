# The two commands of the README are `make demo` and `make test`; both install what they need and work again when run twice.
# Everything that takes more than a line lives in tests/setup/.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

TARGET := $(or $(CARGO_TARGET_DIR),target)
# Tests that could not run here append a line each (tests/common/skip.rs); `make test` prints them last.
SKIPPED := $(TARGET)/tmp/skipped.txt

.PHONY: help setup test demo lint bless bench bench-failover bench-node bench-rolling bench-sim differential matrix simulate soak-sim sabotage release clean

help: ## lists these targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

setup: ## installs what tests, demo and benchmarks need, and says what it installs
	@tests/setup/setup.sh test

# One build profile for everything here, so that the dependencies are compiled once. Tests on the real cluster are ordinary
# integration tests; they queue by themselves (tests/common/alone.rs), so no --test-threads slows down the others.
test: setup ## every check and every test, those on a real Kafka cluster included
	@mkdir -p $(dir $(SKIPPED)) && rm -f $(SKIPPED)
	@tests/setup/test.sh $(TARGET) $(SKIPPED)

demo: ## a real cluster and the trio: kills the leader and prints what happened (KEEP=1 stays up, LLM=off leaves the model out)
	@tests/setup/setup.sh demo
	cargo build --locked --features lab
	$(TARGET)/debug/tanist-lab demo $(if $(filter-out 0,$(KEEP)),--keep) $(if $(LLM),--llm $(LLM))

lint: ## format, Clippy and floors, without the tests
	cargo fmt --all --check
	cargo clippy --locked --features lab --all-targets -- --deny warnings
	cargo clippy --locked --bin tanist -- --deny warnings
	cargo tidy

bless: ## writes the answers of scenarios and snapshots anew; read the diff line by line before you commit it
	cargo bless
	@git diff --stat

bench: ## criterion benches of the pure core, and their table in BENCHMARKS.md; some minutes
	cargo bench --locked
	cargo bench --locked --bench core -- --table

bench-failover: ## the failover table on a real cluster; hours; resumable; results in benches/results/
	@tests/setup/setup.sh demo
	cargo build --locked --release --features lab
	tests/setup/links.sh $(TARGET)/release/tanist
	$(TARGET)/release/tanist-lab bench-failover

bench-node: ## what a node costs beside a healthy cluster of 2,000 partitions; a quarter of an hour; resumable
	@tests/setup/setup.sh demo
	cargo build --locked --release --features lab
	tests/setup/links.sh $(TARGET)/release/tanist
	$(TARGET)/release/tanist-lab bench-node

bench-rolling: ## what clients feel of the trio in quiet and in rolling restarts; a quarter of an hour; resumable
	@tests/setup/setup.sh demo
	cargo build --locked --release --features lab
	tests/setup/links.sh $(TARGET)/release/tanist
	$(TARGET)/release/tanist-lab bench-rolling

bench-sim: ## how fast the simulated world is, and how large it may be; some minutes; rewrites its table in BENCHMARKS.md
	cargo build --locked --release
	tests/setup/bench_sim.py $(TARGET)/release/tanist

matrix: ## fault x act on a real cluster, beside what the project started from; three quarters of an hour for one run of each cell; resumable
	@tests/setup/setup.sh test
	cargo build --locked --release --features lab
	tests/setup/links.sh $(TARGET)/release/tanist
	$(TARGET)/release/tanist-lab bench-matrix -n $(or $(N),3)

simulate: ## all scenarios, and a thousand random worlds of ten minutes each
	cargo build --locked --release
	cargo test --locked --features lab --test scenarios
	tests/setup/traces.sh $(TARGET)/debug/tanist $(TARGET)/release/tanist
	tests/setup/worlds.sh $(TARGET)/release/tanist $(or $(SEEDS),1000)

soak-sim: ## random worlds on all cores for HOURS; ends with what happened in them
	cargo build --locked --release
	tests/setup/soak.sh $(TARGET)/release/tanist $(or $(HOURS),1)

sabotage: ## which check finds which deliberate bug: plays each until it is found, and writes docs/sabotage.md
	cargo build --locked --release
	$(TARGET)/release/tanist simulate --sabotages simulations --seeds $(or $(SEEDS),40) --page docs/sabotage.md

differential: ## records what real Kafka 4.3.1, 4.1.0 and 3.9.1 do in every cell of the table; resumable
	@tests/setup/setup.sh test
	cargo build --locked --features lab
	$(TARGET)/debug/tanist-lab differential --kafka 4.3.1,4.1.0,3.9.1 --record tests/differential

release: ## the one file to ship, checked for what it links
	cargo build --locked --release
	tests/setup/links.sh $(TARGET)/release/tanist

clean: ## removes what was built; jars, tools and the model stay in the cache (see CONTRIBUTING.md)
	cargo clean
