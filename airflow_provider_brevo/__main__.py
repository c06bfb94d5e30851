"""The commands on every version of Airflow: ``python -m airflow_provider_brevo``."""

import sys

from airflow_provider_brevo.cli import main

if __name__ == "__main__":
    sys.exit(main())
