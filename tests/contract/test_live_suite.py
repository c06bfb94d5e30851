"""The live suite, run as a whole against the sandbox instead of Brevo."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_brevo.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
CONTACT = "a-given-contact-4711"
CLIENT_ID, CLIENT_SECRET = "our-application", "0ur-s3cret"
OAUTH = {"BREVO_OAUTH_CLIENT_ID": CLIENT_ID, "BREVO_OAUTH_CLIENT_SECRET": CLIENT_SECRET}
COMMAND = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--confcutdir=tests/live", "tests/live"]


@pytest.fixture
def brevo():
    """Run a sandbox that knows one key and one OAuth client."""
    with Sandbox(api_key=KEY, oauth_clients={CLIENT_ID: CLIENT_SECRET}) as running:
        yield running


@pytest.fixture
def live(tmp_path):
    """Run the suite, and return its exit code, the count of each outcome, and the lines of its record."""

    def run(**variables):
        path = tmp_path / "record.jsonl"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BREVO_")}
        own = {"BREVO_LIVE_RECORD": str(path), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # plugins take a second to load
        done = subprocess.run(
            COMMAND, cwd=ROOT, env=inherited | own | variables, capture_output=True, text=True, check=False, timeout=60
        )
        record = path.read_text(encoding="utf-8") if path.exists() else ""
        for secret in (KEY, CONTACT, CLIENT_ID, CLIENT_SECRET):
            assert secret not in record + done.stdout + done.stderr
        assert "@" not in record
        counts = done.stdout.splitlines()[-1].strip("= ").partition(" in ")[0].split(", ")
        outcomes = {kind: int(count) for count, kind in map(str.split, counts)}
        return done.returncode, outcomes, [json.loads(line) for line in record.splitlines()]

    return run


def statuses(record, question):
    """List the statuses that answered one question."""
    return [line["status"] for line in record if "status" in line and question in line["question"]]


def test_it_asks_and_records(live, brevo):
    """Nothing fails against the sandbox, and each question has its answers in the record, by few requests."""
    code, outcomes, record = live(BREVO_API_KEY=KEY, BREVO_BASE_URL=brevo.url, **OAUTH)
    assert (code, list(outcomes)) == (0, ["passed"])
    assert statuses(record, "Does POST /events answer 204?") == [204]
    assert statuses(record, "50Kb") == [204, 400, 400, 400]
    assert len(statuses(record, "/events/batch")) == 3
    assert len({line["question"] for line in record[1:]}) == outcomes["passed"]
    assert any(line["answer"]["expires_in"] == 3600 for line in record if isinstance(line.get("answer"), dict))
    assert {event.body["event_name"] for event in brevo.events} == {"airflow_provider_brevo_live"}
    assert len(brevo.requests) <= 50


def test_it_fails_and_keeps_nothing_that_is_quoted(live, brevo):
    """An answer that contradicts our code is a failure; what it quotes of key, token and contact is not kept."""
    brevo.add_fault("echo,method=GET")
    brevo.add_fault("echo,path=/v3/events/batch")
    code, outcomes, record = live(BREVO_API_KEY=KEY, BREVO_BASE_URL=brevo.url, BREVO_LIVE_CONTACT=CONTACT, **OAUTH)
    assert (code, outcomes["failed"]) == (1, 1)
    assert sum("***" in line.get("answer", "") for line in record) > 4
    assert {event.body["identifiers"]["ext_id"] for event in brevo.events} == {CONTACT}


def test_it_stops_where_the_simplest_event_is_not_taken(live, brevo):
    """One test fails, nothing more is asked, and the address that the refusal names is not kept."""
    brevo.add_fault("unknown-ip")
    code, outcomes, record = live(BREVO_API_KEY=KEY, BREVO_BASE_URL=brevo.url)
    assert (code, outcomes["failed"], len(brevo.requests)) == (1, 1, 1)
    assert "IP address ***" in record[-1]["answer"]


def test_it_is_skipped_without_a_key(live):
    """Nothing is asked and nothing written; pytest's 5 means that no test ran."""
    assert live() == (5, {"skipped": 1}, [])
