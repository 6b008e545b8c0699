# Every target works on a fresh machine with Go, Python 3 and Node.
GO       ?= go
FUZZTIME ?= 30s
LDFLAGS  := -s -w

.DEFAULT_GOAL := help
.PHONY: run build test race lint fuzz bench gobench chaos help tools
CHAOSTIME ?= 10m

help: ## Say what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-7s %s\n", $$1, $$2}'

run: build ## Build and run Petrel here, with its state in ./data
	./petrel

build: ## Build the static binary ./petrel
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o petrel ./bot

test: tools lint ## Install what the tests need and run everything, with the race detector
	$(GO) test -race -timeout 30m ./...

race: ## Run the tests with the race detector, nothing installed
	$(GO) test -race -timeout 30m ./...

lint: ## Check formatting and run vet
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "gofmt would change: $$unformatted"; exit 1; fi
	$(GO) vet ./...

fuzz: ## Fuzz every target for FUZZTIME
	@set -e; for f in $$(grep -rlE '^func Fuzz' --include='*_test.go' .); do \
	  for name in $$(grep -oE '^func Fuzz[A-Za-z0-9_]*' $$f | cut -d' ' -f2); do \
	    echo "== $$name in $$(dirname $$f)"; $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$(dirname $$f); \
	  done; done

bench: tools build ## Measure Petrel beside the bare limits of this machine; prints one JSON
	@./tests/bench.sh

gobench: ## Run the benchmarks of the packages
	$(GO) test -run '^$$' -bench . -benchmem ./...

chaos: tools ## Put deployments under load and attack for CHAOSTIME each
	PETREL_TEST_CHAOS=$(CHAOSTIME) $(GO) test -count=1 -v -timeout 0 -run '^TestChaos' ./tests

tools: ## Install what the tests need beside Go
	@./tests/tools.sh
