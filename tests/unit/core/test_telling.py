"""What somebody is told of batches. The sentences in the course of a whole job are in test_sending.py and beside it."""

from engine import LOST, broken

from airflow_provider_brevo.core.batches import Batch, Rejection
from airflow_provider_brevo.core.telling import Telling

SENT = Batch(indices=[7, 8], events=[b'{"contact_properties":{"CITY":"Paris"}}', b"{}"])


def test_each_kind_of_sentence_is_said_once_and_rejections_twenty_times():
    """A log isn't flooded, and no value of an event is in it."""
    said = []
    telling = Telling(said.append, in_order=False)
    for _ in range(30):
        telling.rejected(Rejection(index=1, where="here", reasons=("is odd",), rules=("range",), event=b'"jane"'))
        telling.about_to_send(SENT)
        telling.sent_again(SENT, broken(), doubtful=True)
    telling.ended()
    assert sum(sentence.startswith("Rejected: event 1: is odd.") for sentence in said) == 20
    assert len(said) == 20 + 1 + 1 + 1
    assert said[-1].startswith("60 events were sent again without knowing")
    assert not [sentence for sentence in said if "Paris" in sentence or "jane" in sentence]


def test_nothing_is_said_where_nothing_happens():
    """Neither of an order that is kept, nor at the end."""
    said = []
    telling = Telling(said.append, in_order=True)
    telling.about_to_send(SENT)
    telling.ended()
    assert said == []


def test_what_is_given_up_is_named_each_time():
    """These are what somebody has to look for in Brevo."""
    said = []
    telling = Telling(said.append, in_order=False)
    telling.given_up(SENT, LOST)
    telling.given_up(SENT, LOST)
    assert [sentence.startswith("Nobody knows whether Brevo took events 7 to 8 of") for sentence in said] == [True] * 2
