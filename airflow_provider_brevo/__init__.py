"""Apache Airflow provider for Brevo's Events API."""

__version__ = "0.1.0"
