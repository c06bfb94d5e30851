"""The provider's declaration, which Airflow reads by the entry point ``apache_airflow_provider``."""

from __future__ import annotations

from typing import Any

from airflow_provider_brevo import __version__, connection_form


def get_provider_info() -> dict[str, Any]:
    """Declare what this provider brings. Keys that a version of Airflow doesn't know are ignored by it."""
    return {
        "package-name": "airflow-provider-brevo",
        "name": "Brevo",
        "description": "Sends typed, validated events to the Events API of Brevo.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": "Brevo",
                "external-doc-url": "https://developers.brevo.com/docs/event-endpoints",
                "tags": ["service"],
            }
        ],
        "hooks": [{"integration-name": "Brevo", "python-modules": ["airflow_provider_brevo.hooks.brevo"]}],
        "operators": [{"integration-name": "Brevo", "python-modules": ["airflow_provider_brevo.operators.brevo"]}],
        "sensors": [{"integration-name": "Brevo", "python-modules": ["airflow_provider_brevo.sensors.brevo"]}],
        "triggers": [{"integration-name": "Brevo", "python-modules": ["airflow_provider_brevo.triggers.brevo"]}],
        "transfers": [
            {
                "source-integration-name": "Common SQL",  # declared by Airflow's provider common.sql
                "target-integration-name": "Brevo",
                "python-module": "airflow_provider_brevo.transfers.sql_to_brevo",
            }
        ],
        "task-decorators": [
            {
                "name": "brevo_events",
                "class-name": "airflow_provider_brevo.decorators.brevo.brevo_events_task",
            }
        ],
        "cli": ["airflow_provider_brevo.cli.get_brevo_commands"],
        "extra-links": [
            "airflow_provider_brevo.links.BrevoReferenceLink",
            "airflow_provider_brevo.links.BrevoBatchReferenceLink",
        ],
        "notifications": ["airflow_provider_brevo.notifications.brevo.BrevoNotifier"],
        "connection-types": [
            {
                "connection-type": connection_form.CONNECTION_TYPE,
                "hook-class-name": "airflow_provider_brevo.hooks.brevo.BrevoHook",
                "hook-name": connection_form.HOOK_NAME,
                "ui-field-behaviour": {
                    "hidden-fields": connection_form.HIDDEN_FIELDS,
                    "relabeling": connection_form.RELABELING,
                    "placeholders": connection_form.PLACEHOLDERS,
                },
                "conn-fields": connection_form.declared_fields(),
            }
        ],
        "config": {
            "brevo": {
                "description": "Settings of airflow-provider-brevo.",
                "options": {
                    "allowed_hosts": {
                        "description": (
                            "Hosts beside brevo.com that a connection may name, and so give the API key to: the names"
                            " of company gateways, separated by commas, each as host or host:port."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "gateway.example.com,gateway.example.com:8443",
                        "default": "",
                    },
                    "local_roots": {
                        "description": (
                            "Folders of the workers, separated by commas, that tasks may read events from, and write"
                            " checkpoints and rejected events to. Symbolic links are followed before they are compared."
                            " Empty: all that Airflow's user may. Object stores are not concerned."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/data/exports,/mnt/shared/brevo",
                        "default": "",
                    },
                },
            }
        },
    }
