# What is done with this checkout. All of it needs Go and make; "make help" lists it.

GO       ?= go
FUZZTIME ?= 60s
TORTURE_ROUNDS ?= 200
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# Temporary files of what is run here.
export TMPDIR := $(CURDIR)/.tmp

.PHONY: help test fuzz torture bench dist fmt clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1:\t/p' Makefile

test: .tmp ## check the form, run all tests, build for all systems; ROOST_REQUIRE_ALL=1 allows no skip
	@$(GO) run -C tools ./check

fuzz: .tmp ## fuzz each target for FUZZTIME (60s)
	@set -e; for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | sed -n '/^Fuzz/p'); do \
			echo "==> $$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$package; \
		done; \
	done

torture: .tmp ## kill a server under load TORTURE_ROUNDS (200) times, and run the long tests of the disk and of a crowd
	ROOST_TORTURE=1 TORTURE_ROUNDS=$(TORTURE_ROUNDS) $(GO) test -count 1 -timeout 2h -v -run '^TestKill$$' ./cmd/roost
	ROOST_TORTURE=10 $(GO) test -count 1 -timeout 2h ./store/disk
	ROOST_TORTURE=1 $(GO) test -count 1 -timeout 2h -v -run '^TestCrowd$$' ./cmd/roost

bench: .tmp ## measure against bare net/http (bench/README.md)
	$(GO) test -run '^$$' -bench . ./bench
	$(GO) run ./bench/cpu
	$(GO) run ./bench/watch -watchers 2000 -few 500 -turns 1
	$(GO) run ./bench/durable -rounds 1 -length 1s -resources 100000 -openings 1

dist: .tmp ## build the release files into dist/, as VERSION
	@$(GO) run -C tools ./dist -version '$(VERSION)'

fmt: ## format all Go files
	@gofmt -l -w $$(ls -d *.go */)

clean: ## remove what was made here, but for Go's own caches
	rm -rf .tmp dist

.tmp:
	@mkdir -p .tmp
