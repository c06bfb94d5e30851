"""The durable record behind at_most_once."""

import pytest

from airflow_provider_brevo.core.delivery import OnceRecord
from airflow_provider_brevo.exceptions import BrevoDeliveryError


class Store:
    """What survives a try: a plain dict."""

    def __init__(self):
        self.values = {}

    def get(self, key):
        return self.values.get(key)

    def set(self, key, value):
        self.values[key] = value


def _try(store, number, *, max_tries=2):
    return OnceRecord(store, try_number=number, max_tries=max_tries)


def _state(store):
    (record,) = store.values.values()
    return record


def test_first_try_may_send_and_leaves_word_before():
    """The first try may send, and is recorded as in flight before it does."""
    store = Store()

    assert _try(store, 1).begin() is True
    assert _state(store) == {"state": "in_flight", "try": 1, "max_tries": 2}


def test_taken_event_is_not_sent_again():
    """Once Brevo took the event, a later try has nothing to send, and the record stays as it is."""
    store = Store()
    first = _try(store, 1)
    first.begin()
    first.taken()

    assert _try(store, 2).begin() is False
    assert _state(store) == {"state": "taken", "try": 1, "max_tries": 2}


def test_event_that_was_not_taken_may_be_sent_again():
    """What Brevo certainly did not take is sent by the next try, which leaves word again."""
    store = Store()
    first = _try(store, 1)
    first.begin()
    first.not_taken()
    assert _state(store)["state"] == "not_taken"

    assert _try(store, 2).begin() is True
    assert _state(store) == {"state": "in_flight", "try": 2, "max_tries": 2}


def test_event_of_unknown_fate_is_never_sent_again():
    """A try that died in between leaves the event's fate unknown, and every later try refuses to send it."""
    store = Store()
    _try(store, 1).begin()

    for number in (2, 3):
        with pytest.raises(BrevoDeliveryError, match="Try 1 sent this event") as caught:
            _try(store, number).begin()
        assert "clear the task" in caught.value.advice
    assert _state(store)["try"] == 1


@pytest.mark.parametrize("end", [None, "taken", "not_taken"])
def test_cleared_task_sends_again(end):
    """Clearing the task raises max_tries: somebody has decided to send again, whatever was before."""
    store = Store()
    first = _try(store, 1)
    first.begin()
    if end:
        getattr(first, end)()

    assert _try(store, 2, max_tries=4).begin() is True
    assert _state(store) == {"state": "in_flight", "try": 2, "max_tries": 4}
