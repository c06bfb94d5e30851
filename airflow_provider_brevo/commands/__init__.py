"""What each command does. See :mod:`airflow_provider_brevo.cli`."""
