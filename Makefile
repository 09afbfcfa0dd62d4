.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types docs golden frontend locale bench accuracy fuzz demo-logs
BIN := .venv/bin
SUITES := ../shared/runs/trained ../shared/runs/real

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup: ## make .venv with everything a developer needs
	@scripts/setup dev

demo: ## install, and report on demo_logs/
	@scripts/demo

test: ## all checks and all tests, as continuous integration runs them
	@scripts/test

lint: setup ## ruff
	$(BIN)/ruff check .

types: setup ## mypy --strict, and tsc for the page
	$(BIN)/mypy
	cd frontend && { [ -d node_modules/typescript ] || npm ci; } && npm run --silent check

docs: setup ## write docs/rules from the rules' docstrings and docs/roles.md from the table of conventions
	$(BIN)/python -m tb_evalguide.explain docs/rules
	$(BIN)/python tools/roles_page.py

golden: setup ## make tests/golden again from demo_logs/; read the diff before you commit it
	$(BIN)/python -m tests.golden.make

frontend: ## build the page into tb_evalguide/static
	cd frontend && { [ -d node_modules/vitest ] || npm ci; } && npm run build

locale: setup ## collect the messages, update the catalogues, compile them
	$(BIN)/python tools/messages.py update
	$(BIN)/python tools/messages.py compile

bench: setup ## speed of the reader beside its peers
	$(BIN)/python -m benchmarks.speed

accuracy: setup ## write the tables of docs/accuracy.md again (PEERS=python with the other tools, for those too)
	$(BIN)/python -m benchmarks.accuracy $(SUITES) --held-out $(if $(PEERS),--peers $(PEERS)) --write docs/accuracy.md
	$(BIN)/python -m benchmarks.replay $(SUITES) --write docs/accuracy.md

fuzz: setup ## fuzz the record scanner for half an hour (needs clang and libclang-rt-14-dev)
	mkdir -p build/corpus
	clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined tests/fuzz/fuzz_scan.c -o build/fuzz_scan
	build/fuzz_scan -max_total_time=1800 -max_len=20000 build/corpus tests/fuzz/corpus
	$(BIN)/python -m tests.fuzz.differential --seconds 300 build/corpus tests/fuzz/corpus

demo-logs: setup ## train the runs of demo_logs/ again (needs the demo extra)
	$(BIN)/python -m pip install -q -e '.[demo]'
	$(BIN)/python demo_logs/make.py
