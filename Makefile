# make demo   the main job, end to end, against a local Brevo
# make test   every test, on Airflow 3.3 and 2.11
# make check  lint, types, packaging
# Everything is set up on first use, under .venv/ and .cache/ of this checkout and nowhere else.

PYTHON ?= python3
UV_VERSION := 0.13.9
export UV_CACHE_DIR ?= $(CURDIR)/.cache/uv
export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONDONTWRITEBYTECODE := 1

UV := .venv/uv-$(UV_VERSION)/bin/uv

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# make/make/p' Makefile

$(UV):
	@echo "setting up: uv $(UV_VERSION)"
	@$(PYTHON) -m venv .venv/uv-$(UV_VERSION)
	@$(dir $@)pip install --quiet --no-cache-dir uv==$(UV_VERSION)

# One environment per Airflow version, from the pins of that version.
.venv/airflow-%/.ready: requirements/airflow-%.txt pyproject.toml | $(UV)
	@echo "setting up: Airflow $*"
	@rm -rf $(@D)
	@$(UV) venv --quiet --python "$$(command -v $(PYTHON))" $(@D)
	@$(UV) pip install --quiet --python $(@D)/bin/python --no-deps -r $<
	@$(UV) pip install --quiet --python $(@D)/bin/python --no-deps --editable .
	@touch $@

.venv/check/.ready: requirements/check.txt | $(UV)
	@echo "setting up: linters"
	@rm -rf $(@D)
	@$(UV) venv --quiet --python "$$(command -v $(PYTHON))" $(@D)
	@$(UV) pip install --quiet --python $(@D)/bin/python --no-deps -r $<
	@touch $@
