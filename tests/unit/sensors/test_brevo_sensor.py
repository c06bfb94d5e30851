"""The sensor by itself: what it costs to parse, its defaults, and how it reads what a trigger hands back."""

import subprocess
import sys

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout

from airflow_provider_brevo.exceptions import BrevoError
from airflow_provider_brevo.sensors.brevo import BrevoEventSensor

FOUND = {"count": 1, "first_event_date": "2026-03-01T10:00:00Z", "last_event_date": "2026-03-01T10:00:00Z"}


@pytest.fixture
def sensor():
    """Make a sensor."""
    return BrevoEventSensor(task_id="wait", event_name="order", timeout=60)


def test_a_dozen_requests_an_hour_by_default(sensor):
    """Eight sensors share a hundred requests an hour."""
    assert sensor.poke_interval == 300
    assert 8 * 3600 / sensor.poke_interval <= 100


def test_what_was_found_is_returned(sensor):
    """Count and dates are the XCom."""
    assert sensor.execute_complete({}, {"found": FOUND}) == FOUND


@pytest.mark.parametrize(("retry", "kind"), [(True, BrevoError), (False, AirflowFailException)])
def test_what_the_trigger_met_is_raised_in_its_words(sensor, retry, kind):
    """Airflow tries again only where that may help."""
    with pytest.raises(kind) as caught:
        sensor.execute_complete({}, {"error": "Brevo does not know this; ask.", "retry": retry})
    assert str(caught.value) == "Brevo does not know this; ask."
    assert isinstance(caught.value, AirflowFailException) is not retry


def test_neither_found_nor_error_is_the_end_of_the_time(sensor):
    """The error says how long it was waited."""
    with pytest.raises(AirflowSensorTimeout, match="within 60 s"):
        sensor.execute_complete({}, {})


@pytest.mark.parametrize("deferrable", ["False", 1])
def test_whether_to_defer_is_no_guess(deferrable):
    """A text that isn't empty would count as true."""
    sensor = BrevoEventSensor(task_id="wait", event_name="order", deferrable=deferrable)
    with pytest.raises(AirflowFailException, match="deferrable is neither true nor false: give a boolean, or None"):
        sensor.poke({})


@pytest.mark.parametrize("module", ["sensors.brevo", "notifications.brevo", "triggers.brevo"])
def test_parsing_a_dag_loads_nothing_heavy(module):
    """Importing adds neither an HTTP library nor a validator to what Airflow has loaded."""
    heavy = ["requests", "urllib3", "jsonschema", "jsonschema_rs", "msgspec", "referencing", "aiohttp"]
    code = f"""
import sys
from airflow.providers.common.compat.sdk import BaseNotifier, BaseOperatorLink, BaseSensorOperator, conf
from airflow.triggers.base import BaseTrigger
before = set(sys.modules)
import airflow_provider_brevo.{module}
print([name for name in {heavy} if name in set(sys.modules) - before])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
