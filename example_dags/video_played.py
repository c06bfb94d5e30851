"""One event, as Brevo's own guide shows it: somebody has played a video."""

from airflow.providers.common.compat.sdk import dag

from airflow_provider_brevo.operators.brevo import BrevoCreateEventOperator


@dag(schedule=None, catchup=False, tags=["brevo"])
def video_played():
    # [start video_played]
    BrevoCreateEventOperator(
        task_id="send_video_played",
        event_name="video_played",
        event_date="2024-02-06T20:59:23.383Z",
        identifiers={"email_id": "jane.doe@example.com"},
        contact_properties={"AGE": 32, "GENDER": "FEMALE"},
        event_properties={
            "video_title": "Brevo — The most approachable CRM suite",
            "vide_description": "Create your free account today!",
            "duration": 142,
            "autoplayed": False,
            "upload_date": "2023-11-24T12:09:10+01:00",
        },
    )
    # [end video_played]


video_played()
