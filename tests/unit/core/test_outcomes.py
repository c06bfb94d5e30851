"""What follows from what became of a batch."""

import pytest
from engine import LOST, broken, throttled

from airflow_provider_brevo.core.batch_answers import BatchAnswer, Refusal
from airflow_provider_brevo.core.batches import Batch
from airflow_provider_brevo.core.bulk_states import BulkOptions, State
from airflow_provider_brevo.core.outcomes import after_answer, after_error, places
from airflow_provider_brevo.exceptions import BrevoConnectError, BrevoPayloadTooLargeError, BrevoUnknownKeyError

OPTIONS = BulkOptions(max_retries=2)
ONCE = BulkOptions(max_retries=2, delivery="at_most_once")
PERMANENT = Refusal(reason="no such thing", transient=False)
PASSING = Refusal(reason="try again", transient=True)
TOO_LARGE = BrevoPayloadTooLargeError(status=413, advice="send less")


def batch(count=4, **more):
    """Return a batch that is under way."""
    return Batch(
        indices=list(range(10, 10 + count)),
        events=[b"%d" % number for number in range(count)],
        state=State.IN_FLIGHT,
        **more,
    )


def answered(sent, answer, options=OPTIONS):
    """Decide after an answer."""
    return after_answer(sent, answer, options, jitter=1.0)


def failed(sent, error, options=OPTIONS):
    """Decide after an error."""
    return after_error(sent, error, options, patience=2.0, jitter=1.0)


def test_what_brevo_took_is_settled():
    """Nothing is left to do."""
    sent = batch()
    decision = answered(sent, BatchAnswer(accepted=4))
    assert (decision.accepted, decision.again, decision.rejections, sent.state) == (4, [], [], State.ACCEPTED)


def test_a_permanent_refusal_becomes_a_rejection():
    """It names the place in the source, Brevo's reason and the event."""
    sent = batch()
    (rejection,) = answered(sent, BatchAnswer(accepted=3, refused={1: PERMANENT})).rejections
    assert (rejection.index, rejection.where, rejection.reasons, rejection.rules, rejection.event) == (
        11,
        "Brevo",
        ("no such thing",),
        ("refused",),
        b"1",
    )
    assert sent.state is State.PARTLY_REJECTED


def test_only_what_may_pass_is_sent_again():
    """Of a batch that was taken in part, the taken events never go out a second time."""
    decision = answered(batch(attempts=1), BatchAnswer(accepted=2, refused={0: PASSING, 2: PERMANENT}))
    ((again, pause),) = decision.again
    assert (again.indices, again.events, again.attempts, again.state) == ([10], [b"0"], 2, State.IN_FLIGHT)
    assert pause == 2.0
    assert [rejection.index for rejection in decision.rejections] == [12]


def test_what_no_error_names_in_a_refused_batch_is_sent_again():
    """It was certainly not taken, and isn't to blame."""
    sent = batch()
    decision = answered(sent, BatchAnswer(accepted=0, refused={0: PERMANENT}, not_taken=(1, 2, 3)))
    assert [again.indices for again, _ in decision.again] == [[11, 12, 13]]
    assert sent.state is State.REJECTED


def test_what_does_not_pass_is_rejected_in_the_end():
    """Another try is bounded; the rejection keeps its reason."""
    decision = answered(batch(attempts=2), BatchAnswer(accepted=2, refused={0: PASSING}, not_taken=(1,)))
    assert decision.again == []
    assert [rejection.reasons[0] for rejection in decision.rejections] == [
        "try again",
        "the batch was refused, without a reason for this event",
    ]


def test_what_brevo_does_not_name_is_counted():
    """Unidentified events are in nothing that is sent again."""
    decision = answered(batch(), BatchAnswer(accepted=3, unidentified=1))
    assert (decision.accepted, decision.unidentified, decision.again) == (3, 1, [])


@pytest.mark.parametrize("error", [LOST, broken()])
def test_an_unknown_fate_depends_on_the_delivery(error):
    """It is sent again, or given up and named."""
    sent = batch()
    ((again, pause),) = failed(sent, error).again
    assert again is sent
    assert (sent.unknown, sent.attempts, sent.state, pause) == (True, 1, State.IN_FLIGHT, 1.0)

    sent = batch()
    decision = failed(sent, error, ONCE)
    assert (decision.uncertain, decision.again, sent.state) == (True, [], State.UNCERTAIN)


@pytest.mark.parametrize("options", [OPTIONS, ONCE])
def test_what_was_certainly_not_taken_is_sent_again_by_both(options):
    """Without a connection nothing can have arrived."""
    sent = batch()
    decision = failed(sent, BrevoConnectError("No connection", advice="look"), options)
    assert len(decision.again) == 1
    assert not sent.unknown


def test_an_unknown_fate_is_not_forgotten():
    """A later request that certainly failed says nothing of the first."""
    sent = batch()
    failed(sent, LOST)
    failed(sent, throttled(1.0))
    assert sent.unknown


def test_retries_end():
    """After the last one the batch is held for a later try, and the error says where and how often."""
    sent = batch(attempts=2)
    decision = failed(sent, broken())
    assert decision.held is sent
    assert "for events 10 to 13 of the source" in str(decision.failure)
    assert decision.failure.attempts == 3
    assert sent.state is State.PLANNED


def test_a_refusal_of_the_key_ends_at_once():
    """The same request would be refused again."""
    decision = failed(batch(), BrevoUnknownKeyError(status=401, advice="copy it again"))
    assert decision.failure is not None
    assert decision.again == []


def test_a_short_wait_for_the_limit_is_the_batchs_own():
    """It counts by itself, and not against the retries."""
    sent = batch(attempts=2)
    ((again, pause),) = failed(sent, throttled(1.25)).again
    assert again is sent
    assert (sent.throttled, sent.attempts, pause) == (1, 2, 1.75)


def test_a_long_wait_for_the_limit_concerns_all():
    """Nothing is sent meanwhile."""
    sent = batch()
    decision = failed(sent, throttled(90.0))
    assert (decision.held, decision.pause, decision.again) == (sent, 90.5, [])


@pytest.mark.parametrize("options", [OPTIONS, ONCE])
def test_a_long_wait_that_a_fault_asks_for_concerns_all_too(options):
    """Brevo says for how long it is away; with at_most_once the batch that met the fault is given up."""
    sent = batch()
    decision = failed(sent, broken(90.0), options)
    if options is ONCE:
        assert (decision.uncertain, decision.pause) == (True, 90.0)
    else:
        assert (decision.held, decision.pause, decision.again, sent.unknown) == (sent, 90.5, [], True)


@pytest.mark.parametrize("advice", [None, 0.0, 1.5])
def test_a_fault_without_long_advice_concerns_its_batch_alone(advice):
    """However long our own backoff has become."""
    ((again, pause),) = failed(batch(attempts=3), broken(advice), BulkOptions(max_retries=9)).again
    assert (again.attempts, pause) == (4, 2.0 if advice else 8.0)


def test_halves_of_a_batch_that_may_have_been_taken_may_have_been_taken():
    """That the second request was too large says nothing of the first."""
    sent = batch()
    failed(sent, LOST)
    assert [part.unknown for part, _ in failed(sent, TOO_LARGE).again] == [True, True]
    assert [part.unknown for part, _ in failed(batch(), TOO_LARGE).again] == [False, False]


def test_what_brevo_has_refused_is_not_uncertain():
    """An answer settles what a former request left open."""
    sent = batch()
    failed(sent, LOST)
    ((again, _),) = answered(sent, BatchAnswer(accepted=3, refused={0: PASSING})).again
    assert not again.unknown


def test_a_batch_that_is_too_large_is_split():
    """Its halves go out at once."""
    decision = failed(batch(5, attempts=1), TOO_LARGE)
    assert [(part.indices, part.attempts, pause) for part, pause in decision.again] == [
        ([10, 11], 1, 0.0),
        ([12, 13, 14], 1, 0.0),
    ]


def test_one_event_that_is_too_large_is_rejected():
    """There is nothing left to split."""
    sent = batch(1)
    decision = failed(sent, TOO_LARGE)
    assert [rejection.reasons for rejection in decision.rejections] == [("Brevo finds the event too large (HTTP 413)",)]
    assert sent.state is State.REJECTED


def test_one_event_is_named_in_the_singular():
    """Places are those of the source."""
    assert places(batch(1)) == "event 10 of the source"
