"""One event for each row that a task returns, by dynamic task mapping."""

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_brevo.operators.brevo import BrevoCreateEventOperator


@dag(schedule=None, catchup=False, tags=["brevo"])
def mapped_events():
    @task
    def ending_trials():
        """Stand in for a query: trials that end soon."""
        return [
            {"ext_id": "0017", "days_left": 3, "plan": "pro"},
            {"ext_id": "0042", "days_left": 1, "plan": "team"},
        ]

    # [start expand_kwargs]
    @task
    def to_event(trial):
        return {
            "identifiers": {"ext_id": trial["ext_id"]},
            "event_properties": {"days_left": trial["days_left"], "plan": trial["plan"]},
        }

    BrevoCreateEventOperator.partial(task_id="send_trial_ending", event_name="trial_ending").expand_kwargs(
        to_event.expand(trial=ending_trials())
    )
    # [end expand_kwargs]

    # [start expand]
    @task
    def customers():
        return [{"ext_id": "0017"}, {"ext_id": "0042"}]

    BrevoCreateEventOperator.partial(
        task_id="send_newsletter_due",
        event_name="newsletter_due",
        event_properties={"run": "{{ run_id }}", "edition": 7},
    ).expand(identifiers=customers())
    # [end expand]


mapped_events()
