SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help build release package systemd-test test test-brokers autobahn chaos fuzz sanitize lint format demo demo-model bench bench-check bench-scanner bench-webhooks broker-start broker-stop clean dependencies

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dependencies: ## install the Debian packages that are missing (needs root or sudo)
	@scripts/install-dependencies

build: dependencies ## debug build
	swift build

release: dependencies ## optimised build of the program, with the Swift runtime inside
	@scripts/build-release

package: dependencies ## a Debian package of the release build, in .build/package
	@scripts/package

systemd-test: dependencies ## install that package in a Debian of its own, booted with systemd-nspawn, and look (needs root)
	@scripts/systemd-test

test: dependencies ## everything that CI runs: build, lint, contracts, demo, tests on a private broker
	@scripts/test

test-brokers: dependencies ## every suite that touches a broker, on RabbitMQ of Debian 12, 13 and unstable (needs root; takes an hour)
	@scripts/test-brokers

chaos: dependencies ## do harm to a deployment for 25 minutes, and prove that nothing is lost (BROKER=trixie: on that release)
	@scripts/chaos $(if $(BROKER),--broker $(BROKER))

autobahn: dependencies ## play Autobahn|Testsuite's WebSocket cases (needs Python 2.7; fetches the suite into .autobahn)
	@scripts/autobahn

lint: ## format rules (swift format --strict), shell and Python scripts
	@scripts/lint

format: ## rewrite the Swift sources in the project's format
	swift format --in-place --recursive Sources Tests Package.swift

demo: ## one chat job from queue to signed webhook, on a simulated gateway
	@scripts/demo

demo-model: ## the same on a real, small language model (about 250 MB into .model)
	@scripts/demo --model

broker-start: dependencies ## start this checkout's private RabbitMQ and print its URL
	@scripts/broker start && scripts/broker url

broker-stop: ## stop it; its data stays
	@scripts/broker stop

clean: ## delete what was built, and the data of demo, tests and private broker
	@for folder in .demo/broker .broker* .build/test-brokers/*; do \
		[ ! -d "$$folder" ] || CHAT_WORKER_BROKER_DIR="$$PWD/$$folder" scripts/broker wipe; \
	done
	@rm -rf .demo
	swift package clean

bench-scanner: dependencies ## how fast a chunk is scanned, beside simdjson
	cd Benchmarks && swift build -c release --product bench-scanner && .build/release/bench-scanner

bench: dependencies ## measure the worker from end to end: latency, processor time, memory
	@scripts/bench

bench-webhooks: release ## p99 of webhooks beside endpoints that never answer
	@scripts/bench-webhooks.py

bench-check: ## count instructions and allocations of each piece, and compare with Benchmarks/baseline.json
	@scripts/install-dependencies --with-valgrind
	@scripts/bench-check

fuzz: dependencies ## 10 million inputs for each parser of hostile bytes (takes an hour)
	@scripts/fuzz

sanitize: dependencies ## the unit tests under the thread and the address sanitizer
	@scripts/sanitize
