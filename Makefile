# What each target does is said beside it; `make help` prints them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
# What is imported is compiled once, not at every start.
unexport PYTHONDONTWRITEBYTECODE
VENV := .venv
BIN := $(VENV)/bin
# Not compiled here: Python does that for what is imported, which is far less than what is installed.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --no-compile --require-hashes
PYTEST_E2E := $(BIN)/python -m pytest -c pyproject.toml --override-ini addopts=
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links
IMAGE ?= localhost/gpu-injector:$(VERSION)
BASE_IMAGE ?= docker.io/library/python:3.13-slim
# pyproject.toml has the version; `make manifest` puts it into the chart.
VERSION = $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)
has = $(shell command -v $(1))
# The first that is installed. With buildah, two builds of the same files are the same image.
BUILD_IMAGE := $(if $(call has,buildah),buildah bud --isolation chroot --timestamp 0,$(if $(call has,docker),docker,podman) build)

.PHONY: help setup run test coverage sabotage fuzz lint audit e2e manifests archives preview-speed doctor-speed faults manifest bench hostile figures image image-twice release verify-release publish lock clean

help: ## Show this list.
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1	/' | expand -t 18

# Two stamps: `make run` needs only what the product needs, and is quick on a new machine.
$(VENV)/.runtime: requirements/runtime.txt requirements/build.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements/runtime.txt -r requirements/build.txt
	$(BIN)/python -m pip --disable-pip-version-check --quiet install --no-compile --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	$(PIP) -r requirements/dev.txt
	@touch $@

$(VENV)/.bench: $(VENV)/.dev requirements/bench.txt
	$(PIP) -r requirements/bench.txt
	@touch $@

setup: $(VENV)/.dev ## Make the environment in .venv, tools included.

run: $(VENV)/.runtime ## Show on this machine what the webhook does, without a cluster.
	@$(BIN)/gpu-injector demo

test: $(VENV)/.dev ## Run every test that needs only Python.
	$(BIN)/python -m pytest -n 2 --ignore tests/sabotage/test_sabotages.py

coverage: $(VENV)/.dev ## Run the same tests and show what they do not run (twice as slow, so CI has no part in it).
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 --ignore tests/sabotage/test_sabotages.py
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

sabotage: $(VENV)/.dev ## Break copies of the code; each time the test that should notice must fail.
	$(BIN)/python -m pytest -n 2 --timeout 600 tests/sabotage/test_sabotages.py

# How long `make fuzz` takes in all.
SECONDS ?= 600
fuzz: $(VENV)/.dev ## Fuzz, guided by coverage, all that reads what others wrote (SECONDS=600 in all).
	$(PIP) -r requirements/fuzz.txt
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

lint: $(VENV)/.dev ## Check style, types, import floors and workflows (builds actionlint once, with Go).
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests
	$(BIN)/lint-imports
	PYTHONPATH=tests $(BIN)/python -m support.workflows
	$(BIN)/zizmor --offline --no-progress --quiet .github/workflows

audit: $(VENV)/.dev ## Ask PyPI's advisories about every pinned package; fails where they cannot be asked, so CI has no part in it.
	$(PIP) -r requirements/audit.txt
	$(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off $(foreach file,runtime build dev,-r requirements/$(file).txt) \
		|| { echo 'make audit: advisories found, or the service at PyPI could not be asked: see above' >&2; exit 1; }

e2e: $(VENV)/.dev ## Run the tests on real clusters (builds them once, outside the checkout; a node needs root).
	$(PYTEST_E2E) -q --build-only tests/e2e
	$(PYTEST_E2E) --timeout 900 -ra -n 5 -m 'not load' tests/e2e
	$(PYTEST_E2E) --timeout 900 -ra -n 2 -m load tests/e2e

manifests: $(VENV)/.dev ## Measure what `preview -o yaml` makes of all manifests below DIR=…: read, patched, and with all other lines kept.
	PYTHONPATH=tests $(BIN)/python -m support.measured_manifests $(DIR)

archives: $(VENV)/.dev ## Write the archives of tests/data/archives again, after a change of what is registered or collected.
	PYTHONPATH=tests $(BIN)/python -m support.written_archives

preview-speed: $(VENV)/.dev ## Measure `preview` of 5,000 documents (20 MiB): at most 20 s and 400 MiB, at linear cost.
	PYTHONPATH=tests $(BIN)/python -m support.measured_preview

doctor-speed: $(VENV)/.dev ## Measure `doctor` and `collect` with 5,000 nodes and 10,000 GPU pods: at most 30 s each, and 300 MiB for `doctor`.
	$(BIN)/python -m tests.bench.doctor_scale

faults: $(VENV)/.dev ## Break a real cluster under load, for as long as faults last there (about half an hour); writes build/faults.json and .md.
	$(PYTEST_E2E) --timeout 1800 -ra --real-lengths tests/e2e/faults

manifest: $(VENV)/.dev ## Make deploy/install.yaml, and what is generated in the chart, anew (builds Helm once).
	$(PYTEST_E2E) -q --update-golden tests/unit/docs/test_chart.py -k generated
	$(PYTEST_E2E) -q --update-golden tests/e2e/test_chart.py -k manifest

bench: $(VENV)/.bench ## Measure, beside a Go webhook, nginx and an admission policy; about 20 minutes.
	$(BIN)/python -m tests.bench

hostile: $(VENV)/.dev ## Search for input that makes other requests wait or uses up the memory; about 20 minutes, writes build/hostile.json.
	PYTHONPATH=tests $(BIN)/python -m hostile

figures: $(VENV)/.dev ## Put what `make bench`, `make faults` and `make hostile` left in build/ into the documents.
	for name in bench.json bench.svg faults.json hostile.json; do if [ -e build/$$name ]; then cp build/$$name docs/; fi; done
	$(PYTEST_E2E) -q --update-golden tests/unit/docs/test_docs.py -k figures

image: ## Build the container image with buildah, docker or podman; IMAGE=… names it.
	$(BUILD_IMAGE) --build-arg BASE_IMAGE=$(BASE_IMAGE) --build-arg VERSION=$(VERSION) --tag $(IMAGE) $(IMAGE_FLAGS) .

image-twice: $(VENV)/.dev ## Build the image twice, on a base made from Debian's packages; both must be the same, byte for byte.
	PYTHONPATH=tests $(BIN)/python -m e2e.installed.twice

release: $(VENV)/.dev ## Build a release in dist/: KEY=… (a PEM file) signs it, REPOSITORY=… is where its image will be.
	PYTHONPATH=tests $(BIN)/python -m release build $(if $(KEY),--key "$(KEY)") $(if $(REPOSITORY),--repository "$(REPOSITORY)") $(if $(TAG),--tag "$(TAG)")

verify-release: $(VENV)/.dev ## Verify dist/ as a user would: files, signatures (PUBLIC_KEY=…), and in a cluster of its own (needs root).
	PYTHONPATH=tests $(BIN)/python -m release verify $(if $(PUBLIC_KEY),--public-key "$(PUBLIC_KEY)")
	GPU_INJECTOR_DIST=dist $(PYTEST_E2E) --timeout 900 -ra tests/e2e/released/test_1_release.py

publish: $(VENV)/.dev ## Push the image and the chart of dist/ to REGISTRY=HOST/OWNER (REGISTRY_USER and REGISTRY_PASSWORD log in).
	PYTHONPATH=tests $(BIN)/python -m release publish --registry "$(REGISTRY)"

lock: $(VENV)/.dev ## Pin the dependencies anew, with hashes.
	$(COMPILE) -o requirements/runtime.txt pyproject.toml
	$(COMPILE) -o requirements/build.txt requirements/build.in
	$(COMPILE) -c requirements/runtime.txt --group pyproject.toml:dev -o requirements/dev.txt
	$(COMPILE) -c requirements/runtime.txt --group pyproject.toml:fuzz -o requirements/fuzz.txt
	$(COMPILE) -c requirements/dev.txt --group pyproject.toml:bench -o requirements/bench.txt
	$(COMPILE) -c requirements/dev.txt --group pyproject.toml:audit -o requirements/audit.txt

clean: ## Remove the environment and what the tools left.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .import_linter_cache
