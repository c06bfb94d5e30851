"""Transfers of Airflow: from elsewhere to Brevo."""
