"""What the hook takes for a tracking plan."""

import json
from pathlib import Path

import pytest

from airflow_provider_brevo.core.tracking_plan import TrackingPlan
from airflow_provider_brevo.exceptions import BrevoInvalidEventError, BrevoSourceError, BrevoUsageError
from airflow_provider_brevo.hooks.brevo import BrevoHook, tracking_plan

SCHEMA = {"required": ["total"]}
EVENT = {"event_name": "paid", "identifiers": {"ext_id": "17"}}


@pytest.fixture
def path(tmp_path):
    """Write a plan of one event."""
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"paid": SCHEMA}), encoding="utf-8")
    return path


def test_a_dict_a_path_and_a_plan_mean_the_same(path):
    """Each of them refuses the same event for the same reason."""
    for given in (SCHEMA, path, str(path), path.as_uri(), TrackingPlan.of_schema(SCHEMA)):
        with pytest.raises(BrevoInvalidEventError, match="/event_properties/total is missing"):
            BrevoHook().create_event(EVENT, properties_schema=given, validate_only=True)
        result = BrevoHook().create_events(
            [EVENT], properties_schema=given, on_invalid="skip", max_rejected=1, validate_only=True
        )
        assert (result.total, result.rejected) == (1, 1)


def test_no_plan_is_no_rule():
    """None asks for nothing."""
    assert tracking_plan(None) is None


@pytest.mark.parametrize(
    ("given", "problem"), [("", "no path"), (5, "no path"), (["a"], "no path"), ("ftp://host/plan.json", "is not read")]
)
def test_what_means_no_plan_is_refused(given, problem):
    """A value of another kind is told by the argument's name."""
    with pytest.raises(BrevoUsageError, match=f"properties_schema .*{problem}"):
        tracking_plan(given)


def test_a_file_that_isnt_there_may_come(tmp_path):
    """Retries make sense then."""
    with pytest.raises(BrevoSourceError, match="does not exist") as caught:
        tracking_plan(tmp_path / "absent.json")
    assert caught.value.retry_later


def test_files_are_confined_as_all_files_of_tasks(path, tmp_path, monkeypatch):
    """[brevo] local_roots holds for plans too."""
    monkeypatch.setenv("AIRFLOW__BREVO__LOCAL_ROOTS", str(tmp_path / "other"))
    with pytest.raises(BrevoUsageError, match="properties_schema is outside of the folders"):
        tracking_plan(Path(path))
