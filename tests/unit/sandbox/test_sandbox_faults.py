"""The sandbox's faults: how they are written, and which of them happens."""

import random

import pytest

from airflow_provider_brevo.sandbox.faults import Fault, FaultList, InvalidFaultError


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("503", Fault("503")),
        ("429,times=2,reset=7", Fault("429", times=2, reset="7")),
        ("hang,seconds=0.5,taken", Fault("hang", seconds=0.5, taken=True)),
        ("reset,chance=0.1", Fault("reset", chance=0.1)),
        ("close,path=/v3/events,method=POST", Fault("close", path="/v3/events", method="POST")),
        ("empty, status=200 , taken", Fault("empty", status=200, taken=True)),
        (
            "redirect,status=307,location=http://127.0.0.1:1/a,b",
            Fault("redirect", status=307, location="http://127.0.0.1:1/a,b"),
        ),
        (
            "503,retry_after=Wed, 21 Oct 2026 07:28:00 GMT",
            Fault("503", retry_after="Wed, 21 Oct 2026 07:28:00 GMT"),
        ),
        ("400,message=No, not today,times=1", Fault("400", message="No, not today", times=1)),
        (
            "partial,indices=0-4,7, 9 ,taken,status=202,message=no",
            Fault("partial", indices="0-4,7, 9 ", taken=True, status=202, message="no"),
        ),
        ("partial,share=0.1,path=/v3/events/batch", Fault("partial", share=0.1, path="/v3/events/batch")),
        ("short,by=3,times=2", Fault("short", by=3, times=2)),
    ],
)
def test_a_fault_is_read_from_text(spec: str, fault: Fault) -> None:
    """Kind, options and the flag are read; a date, a sentence and a URL may hold commas."""
    assert Fault.parse(spec) == fault


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("", "unknown fault ''"),
        ("boom", "unknown fault 'boom'"),
        ("399", "unknown fault '399'"),
        ("600", "unknown fault '600'"),
        ("503,often", "unknown option 'often'"),
        ("503,tmies=2", "unknown option 'tmies=2'"),
        ("503,times=two", "times must be a number, not 'two'"),
        ("503,times=0", "times must be at least 1"),
        ("503,times=1,times=2", "option 'times' is given twice"),
        ("503,chance=0", "chance must be above 0"),
        ("503,chance=nan", "chance must be above 0"),
        ("503,chance=1.1", "chance must be above 0"),
        ("503,seconds=1", "option 'seconds' does not apply to '503'"),
        ("hang,seconds=inf", "seconds must be a number from 0"),
        ("hang,location=http://x", "option 'location' does not apply to 'hang'"),
        ("503,status=200", "option 'status' does not apply to '503'"),
        ("redirect,status=200", "status 200 does not fit 'redirect'"),
        ("redirect,status=304", "status 304 does not fit 'redirect'"),
        ("truncated,status=204", "status 204 does not fit 'truncated'"),
        ("503,path=v3", "path must start with /"),
        ("503,indices=0", "option 'indices' does not apply to '503'"),
        ("partial,by=1", "option 'by' does not apply to 'partial'"),
        ("short,share=0.5", "option 'share' does not apply to 'short'"),
        ("short,status=207", "option 'status' does not apply to 'short'"),
        ("short,by=0", "by must be at least 1"),
        ("short,by=x", "by must be a number, not 'x'"),
        ("partial,share=0", "share must be above 0"),
        ("partial,share=half", "share must be a number, not 'half'"),
        ("partial,share=0.5,indices=0", "indices and share exclude each other"),
        ("partial,indices=", "indices must be like 0-4,7, not ''"),
        ("partial,indices=a", "indices must be like 0-4,7, not 'a'"),
        ("partial,status=204", "status 204 does not fit 'partial'"),
        ("partial,path=/v3/events", "'partial' befalls POST /v3/events/batch only"),
        ("short,method=GET", "'short' befalls POST /v3/events/batch only"),
        ("503,retry_after=1\r\nX: y", "retry_after must not hold control characters"),
    ],
)
def test_a_fault_written_wrongly_is_refused_in_one_line(spec: str, reason: str) -> None:
    """The refusal quotes the text and says what is wrong with it."""
    with pytest.raises(InvalidFaultError) as caught:
        Fault.parse(spec)
    assert reason in str(caught.value)
    assert str(caught.value).startswith(f"fault {spec!r}: ")
    assert "\n" not in str(caught.value)


def test_kinds_answer_with_their_own_status() -> None:
    """A status kind answers with itself, others with a default or what was asked for, silent ones not."""
    assert Fault("503").answer_status == 503
    assert Fault("non-json").answer_status == 502
    assert Fault("restricted", status=401).answer_status == 401
    assert Fault("hang").answer_status is None
    assert Fault("hang").wait == 3600
    assert Fault("hang", seconds=2).wait == 2


def claimed(faults: FaultList, times: int, method: str = "GET", path: str = "/v3/events") -> list[str | None]:
    """Give the kinds of what happens to so many requests."""
    claims = [faults.claim(method, path) for _ in range(times)]
    return [None if fault is None else fault.kind for fault in claims]


def test_faults_happen_in_order_and_as_often_as_they_say() -> None:
    """The first that matches happens; when it is used up, the next one does."""
    faults = FaultList(rng=random.Random(1))
    for spec in ("503,times=2", "reset,method=POST", "429,times=1"):
        faults.add(spec)
    assert claimed(faults, 4) == ["503", "503", "429", None]
    assert claimed(faults, 2, "POST") == ["reset", "reset"]
    faults.clear()
    assert claimed(faults, 1, "POST") == [None]


def test_faults_keep_to_their_path_and_method() -> None:
    """Without a path a fault befalls everything under /v3 and nothing else."""
    assert Fault("503").befalls("GET", "/v3/nothing")
    assert not Fault("503").befalls("GET", "/v33")
    assert not Fault("503").befalls("GET", "/")
    assert Fault("503", path="/").befalls("GET", "/")
    assert Fault("503", method="post").befalls("POST", "/v3/events")
    assert not Fault("503", path="/v3/events", method="POST").befalls("GET", "/v3/events")


def test_chance_is_as_random_as_it_is_told() -> None:
    """With the same seed the same requests are hit, about as many as the chance says."""
    runs = []
    for _ in range(2):
        faults = FaultList(rng=random.Random(7))
        faults.add("503,chance=0.1")
        runs.append(claimed(faults, 1000))
    assert runs[0] == runs[1]
    assert 60 < runs[0].count("503") < 140


def test_a_claim_can_be_given_back() -> None:
    """A fault that did not happen after all may still happen."""
    faults = FaultList(rng=random.Random(1))
    faults.add("hang,times=1")
    fault = faults.claim("GET", "/v3/events")
    assert fault is not None
    assert claimed(faults, 1) == [None]
    faults.give_back(fault)
    assert claimed(faults, 2) == ["hang", None]


def test_faults_of_batches_befall_the_batch_call_only() -> None:
    """Whatever path and method say or leave out."""
    for fault in (Fault("partial"), Fault("short", method="post", path="/v3/events/batch")):
        assert fault.befalls("POST", "/v3/events/batch")
        assert not fault.befalls("POST", "/v3/events")
        assert not fault.befalls("GET", "/v3/events/batch")


@pytest.mark.parametrize(
    ("fault", "chosen"),
    [
        (Fault("partial"), {0}),
        (Fault("partial", indices="0-2,5, 7-9"), {0, 2, 5, 8}),
        (Fault("partial", indices="9"), set()),
        (Fault("short"), {8}),
        (Fault("short", by=2), {5, 8}),
        (Fault("short", by=99), {0, 2, 4, 5, 8}),
        (Fault("partial", share=1), {0, 2, 4, 5, 8}),
    ],
)
def test_a_fault_chooses_among_the_valid_events(fault: Fault, chosen: set[int]) -> None:
    """Indices are those of the batch; short takes the last ones."""
    assert FaultList(rng=random.Random(1)).choose(fault, [0, 2, 4, 5, 8]) == chosen


def test_a_share_is_exact_and_chosen_by_dice() -> None:
    """A tenth of 200 events is 20, the same ones with the same dice; of few events it is at least one."""
    choices = [FaultList(rng=random.Random(seed)).choose(Fault("partial", share=0.1), range(200)) for seed in (1, 1, 2)]
    assert [len(each) for each in choices] == [20, 20, 20]
    assert choices[0] == choices[1] != choices[2]
    assert len(FaultList(rng=random.Random(1)).choose(Fault("partial", share=0.01), range(3))) == 1
    assert FaultList(rng=random.Random(1)).choose(Fault("partial", share=0.5), []) == set()
