"""What all tests share: an Airflow home of their own, set before anything imports Airflow, and no deadlines."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parent.parent

_HOME = tempfile.TemporaryDirectory(prefix="airflow-")

os.environ.update(
    AIRFLOW_HOME=_HOME.name,
    AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "example_dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__LOGGING__BASE_LOG_FOLDER=f"{_HOME.name}/logs",
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
)
for _name in [name for name in os.environ if name.startswith("AIRFLOW_CONN_") or name.upper().endswith("_PROXY")]:
    del os.environ[_name]

# Tests measure behaviour, not speed: a busy machine must not fail them.
settings.register_profile("airflow-provider-brevo", deadline=None)
settings.load_profile("airflow-provider-brevo")


@pytest.fixture(scope="session", autouse=True)
def _clean_up():
    yield
    _HOME.cleanup()
