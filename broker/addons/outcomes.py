"""The table of outcomes: for each call and kind of answer, what the broker concludes. Pure; documented in docs/reference."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from broker.addons.models import OperationKind
from broker.addons.ports import Answer, Reply
from broker.kernel.pauses import asked_for, pause_after


class Conclusion(StrEnum):
    """What an answer means for the operation."""

    SUCCEED = "succeed"
    WAIT = "wait"
    """The provider will call back; until the deadline."""
    RETRY = "retry"
    """Repeat with the same uuid, later; when the attempts or the deadline are used up: fail."""
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    conclusion: Conclusion
    orphan: bool
    """Whether something may be left at the provider if the operation ends as failed here: a resource, or another plan."""
    user: str
    """What the user is told when the operation fails with this answer; `{service}` is filled in."""
    operator: str | None = None
    """What the operators are told, if it is theirs or the provider's operators' to mend."""


_UNREACHED: Final = "{service} can't be reached at the moment. Nothing was changed or charged; try again later."
_BROKEN: Final = "{service} failed to answer properly. Nothing is charged; try again later."
_MISCONFIGURED: Final = (
    "{service} is not set up correctly at the moment. The operators have been told; nothing is charged."
)
_OWN_WORDS: Final = "{message}"

_FAULTS: Final[dict[Answer, Row]] = {
    Answer.UNAUTHORIZED: Row(
        Conclusion.FAIL, False, _MISCONFIGURED, "the provider does not accept the manifest's password"
    ),
    Answer.MISSING: Row(Conclusion.FAIL, False, _MISCONFIGURED, "the provider knows no such URL: check base_url"),
    Answer.GONE: Row(Conclusion.FAIL, False, _BROKEN, "the provider answered 410 for a resource that it should have"),
    Answer.TIMEOUT_STATUS: Row(Conclusion.RETRY, True, _BROKEN),
    Answer.THROTTLED: Row(Conclusion.RETRY, False, "{service} is overloaded at the moment; try again later."),
    Answer.CLIENT_ERROR: Row(Conclusion.FAIL, False, _BROKEN, "the provider refuses the request without a message"),
    Answer.SERVER_ERROR: Row(Conclusion.RETRY, True, _BROKEN),
    Answer.REDIRECT: Row(
        Conclusion.FAIL, False, _MISCONFIGURED, "the provider redirects; redirects are never followed"
    ),
    Answer.MALFORMED: Row(Conclusion.RETRY, True, _BROKEN, "the provider's answer can't be used"),
    Answer.OVERSIZED: Row(Conclusion.RETRY, True, _BROKEN, "the provider's answer is too large"),
    Answer.NOT_SENT: Row(Conclusion.RETRY, False, _UNREACHED),
    Answer.LOST: Row(Conclusion.RETRY, True, _BROKEN),
    Answer.DEADLINE: Row(Conclusion.FAIL, True, "{service} did not finish in time. Nothing is charged."),
}

_GONE: Final = Row(Conclusion.SUCCEED, False, "")
_KEEP_TRYING: Final[dict[Answer, Row]] = {
    answer: Row(Conclusion.RETRY, True, _BROKEN, _FAULTS[answer].operator)
    for answer in _FAULTS
    if answer is not Answer.DEADLINE
}

_AS_BEFORE: Final = "{service} failed to answer properly. The credentials are as before; try again later."
_UNCHANGED: Final[dict[Answer, Row]] = {
    **{answer: Row(row.conclusion, False, _AS_BEFORE, row.operator) for answer, row in _FAULTS.items()},
    Answer.THROTTLED: _FAULTS[Answer.THROTTLED],
    Answer.MISSING: Row(Conclusion.FAIL, False, _AS_BEFORE, "the provider has no such resource, or no such call"),
    Answer.REFUSED: Row(Conclusion.FAIL, False, _OWN_WORDS),
    Answer.DONE: Row(Conclusion.SUCCEED, False, ""),
}
"""Of calls that change nothing unless they succeed."""

TABLE: Final[dict[OperationKind, dict[Answer, Row]]] = {
    OperationKind.PROVISION: {
        **_FAULTS,
        Answer.DONE: Row(Conclusion.SUCCEED, False, ""),
        Answer.ACCEPTED: Row(Conclusion.WAIT, True, ""),
        Answer.REFUSED: Row(Conclusion.FAIL, False, _OWN_WORDS),
    },
    OperationKind.PLAN_CHANGE: {
        **_FAULTS,
        Answer.DONE: Row(Conclusion.SUCCEED, False, ""),
        Answer.ACCEPTED: Row(Conclusion.SUCCEED, False, ""),
        Answer.REFUSED: Row(Conclusion.FAIL, False, _OWN_WORDS),
        Answer.DEADLINE: Row(Conclusion.FAIL, False, _FAULTS[Answer.DEADLINE].user),
    },
    OperationKind.PLAN_RESTORE: {
        **_KEEP_TRYING,
        Answer.DONE: Row(Conclusion.SUCCEED, False, ""),
        Answer.ACCEPTED: Row(Conclusion.SUCCEED, False, ""),
        Answer.MISSING: Row(Conclusion.FAIL, True, _BROKEN, "the provider has no such resource"),
        Answer.GONE: Row(Conclusion.FAIL, True, _BROKEN, "the provider has no such resource any more"),
        Answer.REFUSED: Row(Conclusion.RETRY, True, _OWN_WORDS),
        Answer.DEADLINE: Row(Conclusion.FAIL, True, _FAULTS[Answer.DEADLINE].user),
    },
    OperationKind.DEPROVISION: {
        **_KEEP_TRYING,
        Answer.DONE: _GONE,
        Answer.MISSING: _GONE,
        Answer.GONE: _GONE,
        Answer.ACCEPTED: Row(Conclusion.WAIT, True, ""),
        Answer.REFUSED: Row(Conclusion.RETRY, True, _OWN_WORDS),
        Answer.DEADLINE: Row(Conclusion.FAIL, True, "{service} did not confirm the removal in time."),
    },
    OperationKind.ROTATE: {
        **_UNCHANGED,
        Answer.ACCEPTED: Row(Conclusion.WAIT, False, ""),
        Answer.DEADLINE: Row(Conclusion.FAIL, False, "{service} sent no new credentials in time. The old ones stay."),
    },
    OperationKind.REFRESH: {**_UNCHANGED, Answer.ACCEPTED: Row(Conclusion.SUCCEED, False, "")},
}

LENDING: Final[dict[Answer, Row]] = {
    **_UNCHANGED,
    Answer.DONE: Row(Conclusion.SUCCEED, True, "{service} gave no values for the login."),
    Answer.ACCEPTED: Row(Conclusion.RETRY, True, "{service} did not make the login in time."),
}
"""Of making a login of its own, which is no operation; whatever may have been made is removed again."""

REVOKED: Final = frozenset({Answer.DONE, Answer.ACCEPTED, Answer.MISSING, Answer.GONE})
"""Answers by which old credentials are gone, or the provider's word for it; after any other it is asked again."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long one kind of operation is repeated."""

    attempts: int
    first: timedelta
    longest: timedelta


RETRIES: Final[dict[OperationKind, RetryPolicy]] = {
    OperationKind.PROVISION: RetryPolicy(5, timedelta(seconds=1), timedelta(seconds=30)),
    OperationKind.PLAN_CHANGE: RetryPolicy(5, timedelta(seconds=1), timedelta(seconds=30)),
    OperationKind.PLAN_RESTORE: RetryPolicy(60, timedelta(seconds=1), timedelta(hours=1)),
    OperationKind.DEPROVISION: RetryPolicy(60, timedelta(seconds=1), timedelta(hours=1)),
    OperationKind.ROTATE: RetryPolicy(5, timedelta(seconds=1), timedelta(seconds=30)),
    OperationKind.REFRESH: RetryPolicy(5, timedelta(seconds=1), timedelta(seconds=30)),
}

LONGEST_RETRY_AFTER: Final = timedelta(minutes=15)
"""A provider's Retry-After counts up to this much."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with one reply. `delay` is set for a retry."""

    conclusion: Conclusion
    row: Row
    delay: timedelta | None = None


def decide(kind: OperationKind, reply: Reply, *, attempts: int, expired: bool, jitter: float) -> Decision:
    """Look the reply up in the table and turn a hopeless retry into a failure.

    Units: `attempts` counts the calls made so far, this one included; `jitter` is a random number in [0, 1).
    """
    row = TABLE[kind][reply.answer]
    if row.conclusion is not Conclusion.RETRY:
        return Decision(row.conclusion, row)
    policy = RETRIES[kind]
    if expired or attempts >= policy.attempts:
        return Decision(Conclusion.FAIL, row)
    return Decision(Conclusion.RETRY, row, _delay(policy, attempts, reply.retry_after_s, jitter))


def told(row: Row, service: str, reply: Reply) -> str:
    """The sentence for the user."""
    return row.user.format(service=service, message=reply.message or "The provider refused without saying why.")


def _delay(policy: RetryPolicy, attempts: int, retry_after_s: float | None, jitter: float) -> timedelta:
    pause = pause_after(attempts, policy.first, policy.longest, jitter)
    return max(pause, asked_for(retry_after_s, LONGEST_RETRY_AFTER))
