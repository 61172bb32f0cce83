"""What providers are answered about their reports of usage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from broker.billing.intake import Result, Status
from broker.faces.answers import Answer
from broker.faces.describe import gives
from broker.kernel.errors import Conflict, InvalidParams
from broker.partner_api.shapes import UsageResults
from broker.partner_api.usage_reading import Incoming

ANSWERED: Final = {
    **gives(UsageResults),
    207: gives(UsageResults)[200] | {"description": "Some could not be stored; see each result."},
}
"""How the answer to a batch is described. To a CloudEvent by itself it is the one result."""


def answer(incoming: Incoming, results: Sequence[Result]) -> Answer:
    """A result for each report: 200 if all of them are stored, now or before, else 207.

    Raises: Conflict, InvalidParams for one that was sent by itself.
    """
    found = incoming.answered(results)
    if incoming.single:
        return _single(found[0])
    counts = Counter(result.status for result in found)
    complete = not counts[Status.CONFLICT] and not counts[Status.REFUSED]
    shown: dict[str, Any] = {status.value: counts[status] for status in Status}
    return Answer(shown | {"results": [_shown(result) for result in found]}, 200 if complete else 207)


def _single(result: Result) -> Answer:
    if result.status is Status.CONFLICT:
        raise Conflict(result.message or "", reason=result.reason)
    if result.status is Status.REFUSED:
        raise InvalidParams(result.message or "", reason=result.reason)
    return Answer(_shown(result))


def _shown(result: Result) -> dict[str, Any]:
    said = {"reason": result.reason, "message": result.message} if result.reason else {}
    return {"id": result.id, "status": result.status.value} | said
