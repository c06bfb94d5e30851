"""The links from tasks to Brevo's reference, as declared. What the API shows of them is in tests/integration."""

import importlib

from airflow.providers_manager import ProvidersManager

from airflow_provider_brevo.get_provider_info import get_provider_info
from airflow_provider_brevo.links import BrevoBatchReferenceLink, BrevoReferenceLink
from airflow_provider_brevo.operators.brevo import BrevoBulkCreateEventsOperator, BrevoCreateEventOperator


def test_every_link_is_declared():
    """Airflow 2 makes no link in a serialized DAG of a class that no provider declares."""
    declared = get_provider_info()["extra-links"]
    assert set(declared) <= set(ProvidersManager().extra_links_class_names)
    classes = {getattr(importlib.import_module(name.rpartition(".")[0]), name.rpartition(".")[2]) for name in declared}
    assert {BrevoReferenceLink, BrevoBatchReferenceLink} <= classes


def test_each_operator_has_the_link_of_its_call():
    """One call, one page."""
    linked = {
        operator: [type(link) for link in operator.operator_extra_links]
        for operator in (BrevoCreateEventOperator, BrevoBulkCreateEventsOperator)
    }
    assert linked == {
        BrevoCreateEventOperator: [BrevoReferenceLink],
        BrevoBulkCreateEventsOperator: [BrevoBatchReferenceLink],
    }
    assert BrevoReferenceLink().name == BrevoBatchReferenceLink().name == "Brevo reference"
