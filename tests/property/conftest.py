"""Property tests measure behaviour, not speed: a busy machine must not fail them."""

from hypothesis import settings

settings.register_profile("airflow-provider-brevo", deadline=None)
settings.load_profile("airflow-provider-brevo")
