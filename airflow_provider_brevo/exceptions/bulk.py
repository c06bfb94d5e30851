"""What ends the sending of many events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_brevo.exceptions.base import BrevoError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class BrevoBulkError(BrevoError):
    """Many events were to be sent, and not all were taken."""

    retry_later: bool = False
    """Whether a later try of the task may get further."""


class BrevoInvalidEventsError(BrevoBulkError):
    """Events of the source break rules of the Events API; this try has sent none.

    :param total: how many events the source has.
    :param invalid: how many of them break rules.
    :param reasons: how often each rule is broken.
    :param first: the first invalid events, each as a sentence with its place.
    :param accepted: how many events earlier tries have sent.
    :param rejected: how many were rejected, by earlier tries or as invalid; the invalid ones by default.
    :param rejected_path: the file of all that were rejected, if there is one.
    """

    def __init__(
        self,
        *,
        total: int,
        invalid: int,
        reasons: Mapping[str, int],
        first: Iterable[str],
        accepted: int = 0,
        rejected: int | None = None,
        rejected_path: str | None = None,
    ) -> None:
        self.total = total
        self.accepted = accepted
        self.rejected = invalid if rejected is None else rejected
        self.rejected_path = rejected_path
        self.invalid = invalid
        self.reasons = dict(reasons)
        counted = ", ".join(f"{rule} {count}" for rule, count in sorted(reasons.items()))
        lines = [f"  - {sentence}" for sentence in first]
        if invalid > len(lines):
            lines.append(f"  - and {invalid - len(lines)} more events")
        so = "invalid, so none was sent"
        if accepted:
            so = f"invalid, so no more were sent after the {accepted} of earlier tries"
        what = f"{invalid} of {total} events {'is' if invalid == 1 else 'are'} {so}"
        super().__init__("\n".join([f"{what} (by rule: {counted}):", *lines]))

    def __str__(self) -> str:
        return self.problem


class BrevoCheckpointError(BrevoBulkError):
    """The progress of a bulk send can't be read or written, or it belongs to another source.

    :param problem: what is wrong, and where it is kept.
    :param advice: what to do about it.
    :param retry_later: whether a later try of the task may get further.
    """

    def __init__(self, problem: str, *, advice: str, retry_later: bool = False) -> None:
        super().__init__(problem, advice=advice)
        self.retry_later = retry_later


class BrevoSourceChangedError(BrevoCheckpointError):
    """The source isn't the one that an earlier try has sent events of."""


class BrevoIncompleteError(BrevoBulkError):
    """All events were sent that can be, and Brevo did not surely take all of them.

    :param problem: how many were rejected, are uncertain, or unidentified.
    :param advice: what to do about it.
    :param result: the numbers, as the task returns them on success.
    """

    def __init__(self, problem: str, *, advice: str, result: Mapping[str, Any]) -> None:
        super().__init__(problem, advice=advice)
        self.result = dict(result)
