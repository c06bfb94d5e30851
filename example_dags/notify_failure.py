"""A task or a run fails, and Brevo tells somebody: events from callbacks."""

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_brevo.notifications.brevo import BrevoNotifier, send_brevo_notification

ON_CALL = {"ext_id": "on-call"}  # the contact that an automation in Brevo writes to

# [start run_failed]
run_failed = send_brevo_notification(
    event_name="run_failed",
    identifiers=ON_CALL,
    event_properties={"dag": "{{ dag.dag_id }}", "run": "{{ run_id }}"},
)
# [end run_failed]


@dag(schedule=None, catchup=False, tags=["brevo"], on_failure_callback=run_failed)
def notify_failure():
    # [start export_failed]
    @task(
        on_failure_callback=BrevoNotifier(
            event_name="export_failed",
            identifiers=ON_CALL,
            event_properties={
                "task": "{{ ti.task_id }}",
                "tries": "{{ ti.try_number }}",  # a number
                "run": "{{ run_id }}",
            },
        ),
    )
    def export():
        """Stand in for an export whose source is gone."""
        raise FileNotFoundError

    # [end export_failed]
    export()


notify_failure()
