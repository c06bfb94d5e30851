"""The bulk engine, killed a few times; `make crash` does it hundreds of times."""

import importlib
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def crash(monkeypatch):
    """Import the script, which imports its neighbours."""
    monkeypatch.syspath_prepend(SCRIPTS)
    yield importlib.import_module("crash")
    for name in ("crash", "crash_checks", "crash_worker"):
        sys.modules.pop(name, None)


def test_what_is_killed_again_and_again_loses_nothing_and_reports_what_is_uncertain(crash, tmp_path):
    """Every event is at the sandbox, among the rejections, or reported as uncertain, and each number is right."""
    reports = crash.crash_all(crash.DELIVERIES, kills=8, kills_a_run=(8, 8), seed=4, folder=tmp_path)

    for report in reports:
        assert report.problems == []
        assert report.kills.total() == 8
        assert report.in_flight >= 4
