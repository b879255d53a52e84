# Two commands for a newcomer: `make demo` and `make test`. The rest is for those who stay.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := $(or $(CARGO_TARGET_DIR),target)/debug
OUT ?= out

.PHONY: help demo test build tools lint docs topologies test-idps browser bench nightly clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: build ## a data center disappears while people in two branches go on signing in
	$(BIN)/mangrove-testbed run topologies/tier3-branch-cut-from-one-root.yaml --out $(OUT)/demo

test: tools ## formatting, lints, documentation, every test of every room
	@scripts/tools slapd
	@scripts/tools xmlsec1
	scripts/budget test

build: tools
	cargo build --locked --workspace --bins

tools:
	@scripts/tools

lint: tools
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

docs: tools ## generate docs/reference from the types
	cargo run --locked -q -p mangrove-config --example reference > docs/reference/configuration.md

topologies: build ## every topology that needs nothing but Mangrove itself
	scripts/budget topologies

test-idps: build ## identity providers and applications that are not ours, in their topologies
	scripts/budget test-idps

browser: build ## a real Chromium beside simulated people, who must see the same
	scripts/budget browser

bench: tools ## logins per second of CPU, memory, start-up; as ratios measured in the same run
	cargo build --locked --release -p mangrove-root
	cargo bench --locked -p mangrove-testbed

nightly: build ## what does not fit into .ci/run
	scripts/budget nightly

clean: ## build output and reports
	cargo clean
	rm -rf $(OUT)
