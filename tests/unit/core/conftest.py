"""Make engine.py importable for the tests of the bulk engine, and their waits short."""

import sys
from pathlib import Path

import pytest

from airflow_provider_brevo.core import outcomes, recording, retry

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def quick(monkeypatch):
    """Wait milliseconds where the engine waits for seconds: before it sends again, and between two checkpoints."""
    monkeypatch.setattr(retry, "_FIRST_PAUSE", 0.005)
    monkeypatch.setattr(outcomes, "_LONGEST_PAUSE", 0.005)
    monkeypatch.setattr(recording, "SECONDS_BETWEEN_WRITES", 0.01)
