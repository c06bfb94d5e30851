"""The next step needs an event in Brevo: wait until Brevo shows it, without holding a worker."""

from datetime import timedelta

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_brevo.operators.brevo import BrevoCreateEventOperator
from airflow_provider_brevo.sensors.brevo import BrevoEventSensor


@dag(schedule=None, catchup=False, tags=["brevo"])
def wait_for_event():
    send = BrevoCreateEventOperator(
        task_id="send_trial_started",
        event_name="trial_started",
        identifiers={"ext_id": "0017"},
    )

    # [start wait]
    wait = BrevoEventSensor(
        task_id="wait_for_trial_started",
        event_name="trial_started",
        since="{{ dag_run.start_date }}",  # an event of an earlier run is not enough
        deferrable=True,  # a triggerer waits; mode="reschedule" frees the worker without one
        timeout=timedelta(hours=2),
    )
    # [end wait]

    @task
    def welcome(seen):
        """Go on, knowing how many there are: {"count": 1, "first_event_date": "…", "last_event_date": "…"}."""
        return seen["count"]

    send >> wait
    welcome(wait.output)


wait_for_event()
