# make demo       the main job, end to end, against a local Brevo
# make test       the tests on Airflow 3.3, and on 2.11 those that depend on Airflow; e2e and live are targets of their own
# make matrix     unit, contract and integration tests on Airflow 2.11 to 3.3 and Python 3.11 to 3.13
# make e2e        Airflow's UI and the sandbox's page in a real Chromium, and a cluster with Celery, Redis and PostgreSQL
# make e2e-sabotage breaks a copy of the product on purpose, and shows that a test notices each change
# make check      lint, types, packaging
# make dist       wheel and sdist, in .cache/dist
# make wheel      the built wheel, installed with plain pip in a new environment, sends an event
# make screenshots the pictures in docs/images, taken anew
# make crash      the bulk engine killed 2 x 200 times; KILLS= and SEED= choose how often, and which dice
# make sandbox    a local Brevo beside Airflow's UI, to click through
# make docs       the documentation's site, in .cache/site
# make bench      what importing, sending and checking cost, beside other ways, and how limits are used
# make bench-full the same with a whole minute for each limit, and a million events
# make live       the open questions, asked of the real Brevo, with BREVO_API_KEY
# make demo-live  one event to the real Brevo, with BREVO_API_KEY, after asking
# make pins       resolve the pins in requirements/ anew
# make clean      remove what the others made

# Everything is set up on first use, under .venv/ and .cache/ of this checkout and nowhere else.
PYTHON ?= python3
UV_VERSION := 0.13.9
export UV_CACHE_DIR ?= $(CURDIR)/.cache/uv
export UV_PYTHON_DOWNLOADS := never
export UV_NO_CONFIG := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONDONTWRITEBYTECODE := 1
export HYPOTHESIS_STORAGE_DIRECTORY := $(CURDIR)/.cache/hypothesis

VERSIONS := 3.3 3.2 3.1 3.0 2.11
MATRIX := $(VERSIONS) 3.3-py3.12 3.3-py3.13
NEWEST := 3.3
OLDEST := 2.11
UV := .venv/uv-$(UV_VERSION)/bin/uv
AIRFLOW := .venv/airflow-$(NEWEST)
CHECK := .venv/check/bin
COVERAGE = $(AIRFLOW)/bin/python -m coverage
# Not written as $(MAKE) where it is used: `make -n` would run those lines.
SUBMAKE := $(MAKE) --no-print-directory
# RERUNS=1 lets a test that fails run once more; the last line of the output then counts it.
PYTEST := -m pytest -q -p no:cacheprovider $(if $(RERUNS),--reruns $(RERUNS))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MATRIX_TARGETS := $(MATRIX:%=matrix-%)
.PHONY: help demo demo-live sandbox test matrix $(MATRIX_TARGETS) e2e e2e-sabotage screenshots crash live check dist wheel docs bench bench-full pins clean

help:
	@sed -n 's/^# make/make/p' Makefile

demo: $(AIRFLOW)/.ready
	@$(AIRFLOW)/bin/python scripts/demo.py

demo-live: $(AIRFLOW)/.ready
	@$(AIRFLOW)/bin/python scripts/demo.py --live

sandbox: $(AIRFLOW)/.ready
	@$(AIRFLOW)/bin/python scripts/playground.py

# A key in the environment is for `make live` alone.
test matrix $(MATRIX_TARGETS): export BREVO_API_KEY :=

# In six parts at once, as many tests wait for servers rather than compute; the output of each is kept together.
test: $(AIRFLOW)/.ready .venv/airflow-$(OLDEST)/.ready
	@mkdir -p .cache && rm -f .cache/coverage*
	@echo "six parts at once: each reports when it is done, the last after some minutes"
	@$(SUBMAKE) --jobs=6 --output-sync=target --keep-going \
		test-contract test-dags-a-l test-dags-m-z test-rest test-core test-$(OLDEST)
	@$(COVERAGE) combine --quiet
	@$(COVERAGE) report --fail-under=100 \
		--include='airflow_provider_brevo/core/*,airflow_provider_brevo/templating.py,airflow_provider_brevo/exceptions/*'

.PHONY: test-contract test-core test-rest test-dags-a-l test-dags-m-z test-$(OLDEST)
test-dags-a-l test-dags-m-z: test-dags-%: $(AIRFLOW)/.ready
	@echo "== Airflow $(NEWEST): integration tests, $*"
	@$(COVERAGE) run --parallel-mode $(PYTEST) tests/integration --ignore-glob='*/test_[!$*]*'

test-core: $(AIRFLOW)/.ready
	@echo "== Airflow $(NEWEST): unit tests of the core, property tests"
	@$(COVERAGE) run --parallel-mode $(PYTEST) tests/unit/core tests/property

test-rest: $(AIRFLOW)/.ready
	@echo "== Airflow $(NEWEST): all other unit tests"
	@$(COVERAGE) run --parallel-mode $(PYTEST) tests/unit --ignore=tests/unit/core

test-contract: $(AIRFLOW)/.ready
	@echo "== Airflow $(NEWEST): contract and live tests"
	@$(COVERAGE) run --parallel-mode $(PYTEST) tests/contract tests/live

test-$(OLDEST): .venv/airflow-$(OLDEST)/.ready
	@echo "== Airflow $(OLDEST): what depends on Airflow; make matrix-$(OLDEST) runs the rest"
	@.venv/airflow-$(OLDEST)/bin/python $(PYTEST) tests/integration tests/unit/hooks tests/unit/operators \
		tests/unit/decorators tests/unit/transfers tests/unit/sensors tests/unit/notifications tests/unit/test_provider_info.py

# Four at a time, see above; ONLY= names some of them.
matrix:
	@$(MAKE) --no-print-directory --jobs=4 --output-sync=target $(addprefix matrix-,$(or $(ONLY),$(MATRIX)))

# Airflow's own modules are the same on every Python: there, what runs DAGs is left out.
$(MATRIX_TARGETS): matrix-%: .venv/airflow-%/.ready
	@echo "== Airflow $*: unit, contract$(if $(findstring py,$*),, and integration) tests"
	@.venv/airflow-$*/bin/python $(PYTEST) tests/unit tests/contract $(if $(findstring py,$*),,tests/integration)

e2e: $(AIRFLOW)/.ready .venv/airflow-$(OLDEST)/.ready
	@$(AIRFLOW)/bin/python $(PYTEST) tests/e2e

e2e-sabotage: $(AIRFLOW)/.ready
	@$(AIRFLOW)/bin/python scripts/sabotage.py

screenshots: $(AIRFLOW)/.ready
	@SCREENSHOTS=1 $(AIRFLOW)/bin/python $(PYTEST) tests/e2e/test_connection_form.py \
		tests/e2e/test_dag_in_browser.py tests/e2e/test_playground.py tests/e2e/test_sandbox_screenshot.py

crash: $(AIRFLOW)/.ready
	@PYTHONPATH=$(CURDIR) $(AIRFLOW)/bin/python scripts/crash.py --kills $(or $(KILLS),200) $(if $(SEED),--seed $(SEED))

live: $(AIRFLOW)/.ready
	@$(AIRFLOW)/bin/python $(PYTEST) --confcutdir=tests/live tests/live

check: $(AIRFLOW)/.ready .venv/check/.ready
	@echo "== lint"
	@$(CHECK)/ruff check --quiet
	@$(CHECK)/ruff format --check --quiet
	@echo "== types"
	@$(CHECK)/mypy --python-executable $(AIRFLOW)/bin/python --cache-dir /dev/null
	@$(CHECK)/mypy --strict --python-executable $(AIRFLOW)/bin/python --cache-dir /dev/null \
		tests/unit/decorators/typing_brevo_events.py
	@echo "== workflows"
	@$(CHECK)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(CHECK)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	@echo "== packaging"
	@$(MAKE) --no-print-directory dist

dist: .venv/check/.ready
	@rm -rf .cache/dist
	@$(UV) build --quiet --out-dir .cache/dist
	@$(CHECK)/twine check --strict .cache/dist/*
	@$(CHECK)/python scripts/check_dist.py .cache/dist

# WHEEL=FILE checks a wheel that was built before, as a release does.
wheel: $(AIRFLOW)/.ready $(if $(WHEEL),,dist)
	@$(AIRFLOW)/bin/python scripts/check_wheel.py --constraint requirements/airflow-$(NEWEST).txt \
		$(or $(WHEEL),.cache/dist/*.whl)

docs: $(AIRFLOW)/.ready .venv/docs/.ready
	@$(AIRFLOW)/bin/python scripts/reference.py --check
	@NO_MKDOCS_2_WARNING=1 .venv/docs/bin/mkdocs build --quiet --strict
	@echo "the site is in .cache/site"

bench: .venv/bench/.ready
	@.venv/bench/bin/python -m benchmarks

bench-full: .venv/bench/.ready $(AIRFLOW)/.ready
	@.venv/bench/bin/python -m benchmarks --full
	@$(AIRFLOW)/bin/python -m benchmarks.sql

pins: $(UV)
	@for version in $(VERSIONS); do \
		$(UV) pip compile --quiet --upgrade --python-version 3.11 --no-header --no-annotate --extra sandbox \
			--group test $$(sed -n 's/^# uv: //p' requirements/airflow-$$version.in) \
			requirements/airflow-$$version.in pyproject.toml \
			--output-file requirements/airflow-$$version.txt || exit 1; \
	done
	@$(UV) pip compile --quiet --upgrade --python-version 3.11 --no-header --no-annotate --group bench \
		requirements/bench.in pyproject.toml --output-file requirements/bench.txt
	@$(UV) pip compile --quiet --upgrade --python-version 3.11 --no-header --no-annotate \
		--group pyproject.toml:check --output-file requirements/check.txt
	@$(UV) pip compile --quiet --upgrade --python-version 3.11 --no-header --no-annotate \
		--group pyproject.toml:docs --output-file requirements/docs.txt

clean:
	@rm -rf .venv .cache

$(UV):
	@echo "setting up: uv $(UV_VERSION)"
	@$(PYTHON) -m venv .venv/uv-$(UV_VERSION)
	@.venv/uv-$(UV_VERSION)/bin/pip install --quiet --no-cache-dir uv==$(UV_VERSION)

# One environment per Airflow version, from the pins of that version, with the package itself in editable form.
.venv/airflow-%/.ready: .venv/airflow-%/.pinned pyproject.toml
	@$(UV) pip install --quiet --python $(@D)/bin/python --no-deps --editable .
	@touch $@

.PRECIOUS: .venv/airflow-%/.pinned .venv/airflow-$(NEWEST)-py%/.pinned
.venv/airflow-%/.pinned: requirements/airflow-%.txt | $(UV)
	@echo "setting up: Airflow $*"
	@rm -rf $(@D)
	@$(UV) venv --quiet --python "$$(command -v $(PYTHON))" $(@D)
	@$(UV) pip install --quiet --python $(@D)/bin/python --no-deps --requirement $<
	@touch $@

# The newest version on other Pythons. pyenv shows only the interpreters that are named.
.venv/airflow-$(NEWEST)-py%/.pinned: export PYENV_VERSION = $(shell pyenv versions --bare 2>/dev/null | grep -xE '3\.1[123]\.[0-9]+' | paste -sd:)
.venv/airflow-$(NEWEST)-py%/.pinned: requirements/airflow-$(NEWEST).txt | $(UV)
	@echo "setting up: Airflow $(NEWEST) on Python $*"
	@rm -rf $(@D)
	@$(UV) venv --quiet --python $* $(@D) || { echo "Python $* is needed for this part of the matrix: install it" >&2; exit 1; }
	@$(UV) pip install --quiet --python $(@D)/bin/python --no-deps --requirement $<
	@touch $@

# The newest Airflow again, with what is compared beside ours.
.venv/bench/.ready: requirements/bench.txt pyproject.toml | $(UV)
	@echo "setting up: bench"
	@rm -rf $(@D)
	@$(UV) venv --quiet --python "$$(command -v $(PYTHON))" $(@D)
	@$(UV) pip install --quiet --python $(@D)/bin/python --no-deps --requirement $<
	@$(UV) pip install --quiet --python $(@D)/bin/python --no-deps --editable .
	@touch $@

.venv/check/.ready .venv/docs/.ready: .venv/%/.ready: requirements/%.txt | $(UV)
	@echo "setting up: $*"
	@rm -rf $(@D)
	@$(UV) venv --quiet --python "$$(command -v $(PYTHON))" $(@D)
	@$(UV) pip install --quiet --python $(@D)/bin/python --no-deps --requirement $<
	@touch $@
