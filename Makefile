# What is done with this checkout. All of it needs Go and make; "make help" lists it.

GO       ?= go
FUZZTIME ?= 60s
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# Temporary files of what is run here.
export TMPDIR := $(CURDIR)/.tmp

.PHONY: help test fuzz bench dist fmt clean

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

bench: .tmp ## measure against bare net/http (bench/README.md)
	$(GO) test -run '^$$' -bench . ./bench
	$(GO) run ./bench/cpu
	$(GO) run ./bench/watch -watchers 2000 -few 500 -turns 1

dist: .tmp ## build the release files into dist/, as VERSION
	@$(GO) run -C tools ./dist -version '$(VERSION)'

fmt: ## format all Go files
	@gofmt -l -w $$(ls -d *.go */)

clean: ## remove what was made here, but for Go's own caches
	rm -rf .tmp dist

.tmp:
	@mkdir -p .tmp
