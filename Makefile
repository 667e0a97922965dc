# Two commands: `make demo` and `make test`. The rest is what they are made of.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
LOCAL  := $(BIN)/python -m local

.DEFAULT_GOAL := help
.PHONY: help demo up preview destroy test unit lint docs format wheel bench clean

help: ## Say what there is to make.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## Deploy the blog's demo on the local twin, and let its pod list buckets.
	$(LOCAL) demo

up: $(READY) ## Deploy the demo on the local twin.
	$(LOCAL) up

preview: $(READY) ## Show what `make up` would change, judged by the policy pack.
	$(LOCAL) pulumi preview --diff --policy-pack policies

destroy: $(READY) ## Destroy the demo, check that nothing is left, and remove the twin.
	$(LOCAL) destroy

test: lint $(READY) ## Check everything: linters, unit tests, and the real engine against the twin.
	$(LOCAL) tools
	$(BIN)/python -m pytest tests/unit tests/policies -n 2
	# In a process of its own: it loads parts of the SDKs in a way that no program would.
	$(BIN)/python -m pytest tests/twin/plugins
	$(BIN)/python -m pytest tests/twin tests/workflows -n 2 --dist loadfile --ignore tests/twin/plugins

unit: $(READY) ## Run the tests that need no engine and no twin.
	$(BIN)/python -m pytest tests/unit tests/policies -n 2

lint: $(READY) ## Check style and types.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

docs: $(READY) ## Write what is made from the source: reference, presets, the package's schema.
	$(BIN)/python -m docs.generate

format: $(READY) ## Put the code in its standard format.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

wheel: ## Build the wheel for other repositories, into dist/.
	$(PYTHON) -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

bench: $(READY) ## Measure the demo, and many workloads, on the twin.
	$(BIN)/python -m local.bench
	$(BIN)/python -m local.bench workloads 10 100 300 1000

clean: ## Remove the twin, the virtual environment and what tools left in the checkout.
	@if [ -e $(READY) ]; then $(LOCAL) clean; fi
	rm -rf $(VENV) .twin .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last: an install that was interrupted is done again.
$(READY): requirements.txt requirements-dev.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, and $(PYTHON) is " + sys.version.split()[0] + ". Install one and run: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
