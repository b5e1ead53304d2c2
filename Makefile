# make          build bin/zmesh
# make test     format, vet, staticcheck and all tests; with -race where there is a C compiler
# make soak     the long tests and the fuzz tests; SOAK is the fraction of their full length (SOAK=0.1 is a tenth)
# make bench    the benchmarks
# make demo     the whole system in one go, on this machine alone
#
# Needed: Go, make, git. The first `make test` downloads what go.mod and .ci/tools/go.mod name; from then on it works offline.

TOOL := go tool -modfile=.ci/tools/go.mod
SOAK ?= 1

# The race detector needs cgo, and so a C compiler; the product itself has no cgo.
CC_PATH := $(shell command -v "$$(go env CC)" 2>/dev/null)
ifneq ($(CC_PATH),)
RACE := CGO_ENABLED=1 go test -race
RACE_TEXT := with -race (C compiler: $(CC_PATH))
else
RACE := go test
RACE_TEXT := WITHOUT -race: no C compiler ("$(shell go env CC)") on this machine
endif

.PHONY: build test format vet staticcheck tests soak bench demo clean

build:
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

# NEED_RACE=1 makes a missing C compiler an error: .ci/run sets it.
tests:
	@echo 'tests $(RACE_TEXT)'
	@test -n "$(CC_PATH)" -o -z "$(NEED_RACE)" || { echo "NEED_RACE is set: install a C compiler"; exit 1; }
	$(RACE) ./...

# A long test is named TestSoak…, reads its fraction from ZMESH_SOAK and skips where that is not set.
soak:
	.ci/fuzz $(SOAK)
	@echo 'soak tests, fraction $(SOAK), $(RACE_TEXT)'
	ZMESH_SOAK=$(SOAK) $(RACE) -run '^TestSoak' -timeout 6h ./...

bench:
	go test -run '^$$' -bench . -benchmem ./...

demo: build
	bin/zmesh demo

clean:
	rm -rf bin
