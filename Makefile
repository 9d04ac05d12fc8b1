# Everything a person or CI does with the project. `make help` lists it.

SHELL    := /bin/bash
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 1s
GO       ?= go
SOURCE   ?= postgres
SOAK     ?= 60m
LINTER   ?= $(or $(shell command -v golangci-lint),$(shell $(GO) env GOPATH)/bin/golangci-lint)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the static binary into bin/cdcbridge
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/cdcbridge .

.PHONY: check
check: ## vet and unit tests, no servers
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo "run gofmt -w on the files above"; exit 1; }
	$(GO) vet ./...
	cd integration && $(GO) vet ./...
	GOOS=darwin GOARCH=arm64 $(GO) build -o /dev/null .
	cd integration && GOOS=darwin GOARCH=arm64 $(GO) build -o /dev/null ./demo
	$(GO) test ./...

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (1s)
	@GO="$(GO)" FUZZTIME="$(FUZZTIME)" ./integration/fuzz.sh

.PHONY: servers
servers: ## install the real servers that the tests use (MySQL, PostgreSQL, Kafka, Flink, Debezium, Canal, Chromium) into the cache
	./integration/provision.sh

.PHONY: test
test: check fuzz servers ## everything CI runs: unit tests, fuzzing, real servers; needs Go, Java 17 and Maven
	cd integration && $(GO) test -p 2 -timeout 70m ./upsertsink ./endtoend ./mysqlsource ./... # the longest first

.PHONY: test-long
test-long: servers ## the long tier: more kills, more versions, longer faults; results in docs/evidence/
	cd integration && CDCBRIDGE_LONG=1 $(GO) test -p 1 -timeout 300m -v ./endtoend/... ./upsertsink/... ./kafkasource/... ./mysqlsource/... ./mysqlddl/... ./postgressource/... ./postgrestypes/... ./differential/... ./bridge/... ./servers/... ./shaping/... ./outbox/... ./fleet/... ./mishaps/... ./upgrade/...

.PHONY: soak
soak: servers ## one daemon for SOAK (60m) of load, reconnects and reloads: fails when anything grows; writes docs/soak.md
	cd integration && CDCBRIDGE_LONG=1 CDCBRIDGE_SOAK=$(SOAK) $(GO) test ./soak -run '^TestSoak$$' -count=1 -timeout 0 -v

.PHONY: race
race: ## unit tests under the race detector
	$(GO) test -race ./...

.PHONY: bench
bench: servers build ## measure speed, memory and latency on real servers; prints the table of docs/benchmarks.md (ARGS: its options)
	cd integration && $(GO) run ./bench $(ARGS)

.PHONY: bench-debezium
bench-debezium: servers build ## the main drains beside Debezium on Kafka Connect, exactly-once, on the same backlogs
	./integration/provision.sh debezium
	cd integration && $(GO) run ./bench -debezium -only drain,single,pg-drain,pg-single $(ARGS)

.PHONY: bench-growth
bench-growth: servers build ## what a row costs as rows, tables and pipelines grow; draws docs/benchmarks/growth-*.svg
	cd integration && $(GO) run ./bench -only growth -rows 10000000 -runs 3 -plots ../docs/benchmarks -json ../docs/benchmarks/growth.json

.PHONY: demo
demo: build ## watch it at work, on an embedded PostgreSQL and broker; SOURCE=mysql: on MySQL and Apache Kafka
	@[ "$(SOURCE)" != mysql ] || ./integration/provision.sh mysql97 kafka44
	cd integration && $(GO) build -o ../bin/demo ./demo
	CDCBRIDGE_BINARY=$(CURDIR)/bin/cdcbridge bin/demo -source $(SOURCE)

.PHONY: walkthrough
walkthrough: ## do what a new user does with the last commit: a clone, docs/getting-started.md word for word, the first record; prints the time
	cd integration && $(GO) build -o ../bin/walkthrough ./walkthrough
	bin/walkthrough -checkout .

.PHONY: golden
golden: ## rewrite golden files after a wanted change of output
	$(GO) test $$(grep -rlE 'formatstest\.Golden|flag\.Bool\("update"' --include='*_test.go' formats internal *_test.go | xargs -n1 dirname | sort -u | sed 's|^|./|') -update

.PHONY: check-deploy
check-deploy: ## promtool on alerts and dashboard, systemd-analyze on the unit
	./deploy/check.sh

.PHONY: packages
packages: ## deb and rpm packages for amd64 and arm64, into dist/
	GO="$(GO)" VERSION="$(VERSION)" ./deploy/release.sh packages

.PHONY: check-packages
check-packages: packages ## install, upgrade and remove the packages in a scratch root; needs root, dpkg and rpm
	./deploy/packages_check.sh

.PHONY: check-image
check-image: ## build the container image with buildah and look at it; needs root and buildah
	./deploy/image_check.sh

.PHONY: release
release: packages ## packages, and archives for Linux and macOS, with SHA256SUMS, into dist/
	GO="$(GO)" VERSION="$(VERSION)" ./deploy/release.sh archives

.PHONY: lint
lint: ## golangci-lint with the project's rules
	@command -v $(LINTER) >/dev/null || { echo "$(LINTER) is missing; install it: $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0"; exit 1; }
	$(LINTER) run ./...
	cd integration && $(LINTER) run --config ../.golangci.yml ./...
