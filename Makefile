# `make help` lists the targets.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

BIN := bin/berth
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GO_FILES := $(shell git ls-files '*.go' go.mod go.sum) $(shell git ls-files 'internal/web/static' 'templates' 'internal/db/migrations')

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: build
build: $(BIN) ## Build bin/berth

$(BIN): $(GO_FILES)
	@echo "==> Building $(BIN) (the first time takes a few minutes)"
	@scripts/build.sh

.PHONY: dev
dev: build ## Start Berth with a sandbox, users and templates to try, on 127.0.0.1:8080
	@exec $(BIN) dev

.PHONY: setup
setup: ## Install what the tests need (Debian packages; asks for root) and the toolchain
	@scripts/setup-tests.sh
	@$(MAKE) --no-print-directory build
	@$(BIN) toolchain install --no-path --no-download --providers mirror

.PHONY: test
test: setup ## Run everything CI runs: lint, generated files, all tests with real parts
	@scripts/test.sh

.PHONY: test-short
test-short: ## Run the fast tests only
	go test -short ./...

.PHONY: lint
lint: ## Run the linters
	go run $(GOLANGCI) run

.PHONY: gen
gen: ## Write generated files anew (templates of pages)
	go tool templ generate -path internal/web

.PHONY: bench
bench: build ## Measure; prints ratios beside the figures of a peer
	go run ./bench

.PHONY: clean
clean: ## Remove what was built here
	rm -rf bin
