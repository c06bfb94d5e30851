"""The Events API as a plain Python library. Nothing in here imports Airflow."""
