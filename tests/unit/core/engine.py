"""What the tests of the bulk engine share: a scripted sender, a store that remembers, and events."""

import json
import threading
import time

from airflow_provider_brevo.core.batch_answers import BatchAnswer, Refusal
from airflow_provider_brevo.core.bulk import send_events
from airflow_provider_brevo.core.bulk_states import Attempt, BulkOptions
from airflow_provider_brevo.core.checkpoint import MAX_BYTES, Progress
from airflow_provider_brevo.exceptions import BrevoConnectionLostError, BrevoRateLimitError, BrevoServerError

LOST = BrevoConnectionLostError("The connection broke", advice="look")


def event(number, **more):
    """Return a valid event that can be told from the others."""
    return {"event_name": "order", "identifiers": {"ext_id": str(number)}, **more}


def events(count, *, first=0):
    """Return some of them."""
    return [event(number) for number in range(first, first + count)]


def throttled(seconds):
    """Return a 429 with advice."""
    return BrevoRateLimitError(status=429, advice="wait", retry_after=seconds)


def broken(seconds=None):
    """Return a 503, perhaps with advice."""
    return BrevoServerError(status=503, advice="try again later", retry_after=seconds)


def refusing(*places, of, reason="no such thing", transient=False):
    """Return an answer that refuses some events of a batch."""
    refusal = Refusal(reason=reason, transient=transient)
    return BatchAnswer(accepted=of - len(places), refused=dict.fromkeys(places, refusal))


class ScriptedSender:
    """Answers each request by a script; after its end Brevo takes everything.

    :param script: for each request in turn: an answer, an error, a function of (numbers, count), or ``None``.
    :param waits: what the rate limit says or raises, in turn; then there is none.
    """

    def __init__(self, *script, waits=(), rate=None, latency=0.0):
        self.script = list(script)
        self.waits = list(waits)
        self.rate = rate
        self.latency = latency
        self.sent = []
        self.at = []
        self.in_flight = self.most_in_flight = 0
        self._lock = threading.Lock()

    def wait_for_batch(self, *, at_most):
        assert at_most == 0
        wait = self.waits.pop(0) if self.waits else 0.0
        if isinstance(wait, BaseException):
            raise wait
        return wait

    def batch_rate(self):
        return self.rate

    def send_batch(self, body, *, count):
        numbers = [int(sent["identifiers"]["ext_id"]) for sent in json.loads(body)["events"]]
        assert len(numbers) == count
        with self._lock:
            self.sent.append(numbers)
            self.at.append(time.monotonic())
            answer = self.script.pop(0) if self.script else None
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        time.sleep(self.latency)
        with self._lock:
            self.in_flight -= 1
        if callable(answer):
            answer = answer(numbers, count)
        if isinstance(answer, BaseException):
            raise answer
        return answer or BatchAnswer(accepted=count)

    @property
    def numbers(self):
        """All events that were sent, in order of their numbers, as often as they were."""
        return sorted(number for batch in self.sent for number in batch)


class RecordingStore:
    """A durable store that keeps what was saved as JSON, and when; each save may fail.

    :param failures: the errors of the saves in turn, ``None`` where one succeeds.
    """

    durable = True
    kept_in = "the test's store"

    def __init__(self, progress=None, *, failures=()):
        self.saved = [progress.to_json()] if progress else []
        self.at = []
        self.failures = list(failures)

    def load(self):
        return Progress.from_json(self.saved[-1], kept_in=self.kept_in) if self.saved else None

    def save(self, progress):
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        content = json.loads(json.dumps(progress.to_json()))
        assert len(json.dumps(content, separators=(",", ":"))) <= MAX_BYTES
        self.saved.append(content)
        self.at.append(time.monotonic())

    @property
    def last(self):
        """The progress as it was saved last."""
        return self.load()


class Job:
    """Sends events with a scripted sender, and keeps what was said."""

    def __init__(self, sender=None, store=None):
        self.sender = sender or ScriptedSender()
        self.store = store
        self.warnings = []
        self.reports = []

    def run(self, rows, *, attempt=None, rejected=None, paused=None, prepare=None, stop=lambda: False, **options):
        return send_events(
            self.sender,
            (lambda: rows) if not callable(rows) else rows,
            options=BulkOptions(**options),
            store=self.store,
            attempt=attempt or Attempt(),
            rejected=rejected,
            paused=paused,
            prepare=prepare,
            warn=self.warnings.append,
            report=lambda progress: self.reports.append((progress.planned, progress.accepted)),
            stop=stop,
        )
