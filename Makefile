# make          build bin/zmesh
# make test     format, vet, staticcheck and all tests; with -race where there is a C compiler
# make soak     the long tests and the fuzz tests; SOAK is the fraction of their full length (SOAK=0.1 is a tenth)
# make bench    what a forwarder carries, beside the limit of this machine; takes 3 minutes
# make micro    the benchmarks of single packages
# make demo     the whole system in one go, on this machine alone
#
# Needed: Go, make, git. The first `make test` downloads what go.mod and .ci/tools/go.mod name; from then on it works offline.

TOOL := go tool -modfile=.ci/tools/go.mod
SOAK ?= 1

# The race detector needs cgo, and so a C compiler; the product itself has no cgo. wazero is built without it: its compiler would take ten
# times as long for each plugin that a test loads, and what wazero shares between goroutines passes through our own code, which has it. Pebble is
# built without it too: of two first readers of a file the detector says, once in some dozens of whole runs, that they race inside Pebble for what it hands out through
# a sync.Map (sstable/block, CategoryStatsCollector, v2.1.7; 300,000 tries of that alone show nothing). There is nothing of ours to mend.
CC_PATH := $(shell command -v "$$(go env CC)" 2>/dev/null)
ifneq ($(CC_PATH),)
RACE := CGO_ENABLED=1 go test -race -gcflags='github.com/tetratelabs/wazero/...=-race=false' -gcflags='github.com/cockroachdb/pebble/v2/...=-race=false'
RACE_TEXT := with -race (C compiler: $(CC_PATH))
else
RACE := go test
RACE_TEXT := WITHOUT -race: no C compiler ("$(shell go env CC)") on this machine
endif

.DEFAULT_GOAL := build

.PHONY: build test format vet staticcheck tests soak bench micro demo clean

# The plugins that ship are built to wasm and embedded in the binary. A module is built again when its source, the guest SDK or the
# step that builds it has changed.
PLUGINS := $(wildcard plugins/*/*)
BUILTIN := $(foreach p,$(PLUGINS),runtime/plugin/builtin/$(notdir $(p)).wasm)
GUEST := $(shell find sdk/guest runtime/plugin/build -name '*.go' ! -name '*_test.go') runtime/engine/manifest.go

define builtin
runtime/plugin/builtin/$(notdir $(1)).wasm: $$(shell find $(1) -type f ! -name '*_test.go' ! -name '*.md') $$(GUEST)
	CGO_ENABLED=0 go run ./runtime/plugin/build/shipped runtime/plugin/builtin $(1)
endef
$(foreach p,$(PLUGINS),$(eval $(call builtin,$(p))))

build: $(BUILTIN)
	CGO_ENABLED=0 go build -trimpath -o bin/zmesh ./runtime/cmd/zmesh

test: format vet staticcheck tests

format:
	@echo "gofumpt"
	@wrong=$$($(TOOL) gofumpt -l .) || exit 1; \
	if [ -n "$$wrong" ]; then echo "not formatted (run: $(TOOL) gofumpt -w .):"; echo "$$wrong"; exit 1; fi

vet:
	go vet ./...

staticcheck:
	$(TOOL) staticcheck ./...

# ZMESH_PLUGINS=1 makes a test that needs a plugin fail without it, where a plain `go test` skips.
# NEED_RACE=1 makes a missing C compiler an error: .ci/run sets it.
tests: $(BUILTIN)
	@echo 'tests $(RACE_TEXT)'
	@test -n "$(CC_PATH)" -o -z "$(NEED_RACE)" || { echo "NEED_RACE is set: install a C compiler"; exit 1; }
	ZMESH_PLUGINS=1 $(RACE) ./...
ifneq ($(CC_PATH),)
	@echo 'what allocates, what is resident, how long a hostile module holds others up, and what metering costs, without -race, which takes memory and time itself'
	go test -run 'Alloc' ./core/... ./faces/... ./runtime/engine ./runtime/plugin
	ZMESH_PLUGINS=1 go test -run 'Hostile|ResidentMemory|MeteringRatio' ./runtime/engine/meter ./runtime/host ./runtime/cmd/zmesh
endif

# A long test is named TestSoak…, reads its fraction from ZMESH_SOAK and skips where that is not set.
soak: $(BUILTIN)
	.ci/fuzz $(SOAK)
	@echo 'soak tests, fraction $(SOAK), $(RACE_TEXT)'
	ZMESH_PLUGINS=1 ZMESH_SOAK=$(SOAK) $(RACE) -run '^TestSoak' -timeout 6h ./...
ifneq ($(CC_PATH),)
	@echo 'what has a rate or a size to keep, without -race'
	ZMESH_PLUGINS=1 ZMESH_SOAK=$(SOAK) go test -run '^TestSoak(Swaps|Layout|Durable|Day)$$' -timeout 1h ./runtime/host ./core/store/disk
endif

# The forwarder on one CPU and the load on another, where there are two. BENCH has more flags, or a scenario.
BENCH ?=
CPUS := $(shell [ "$$(nproc 2>/dev/null || echo 1)" -lt 2 ] || echo --cpu 0,1)

bench: build
	bin/zmesh bench $(CPUS) $(BENCH)
ifeq ($(BENCH),)
	@echo 'In process. Wanted: Hit at most 300 ns, Forward 800, no allocation, Workers/2 at most 0.62 of Workers/1.'
	go test ./core/forward -run '^$$' -bench 'Hit$$|Forward$$|Workers'
endif

micro: $(BUILTIN)
	go test -run '^$$' -bench . -benchmem ./...

demo: build
	bin/zmesh demo

clean:
	rm -rf bin runtime/plugin/builtin/*.wasm
