"""The JSON shapes of what a service's provider was asked for and told: outside of the public Platform API schema.

`shapes.py` shows them in the OpenAPI document.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from broker.faces.shapes import Ref


class AskedRequest(TypedDict):
    """The request that an operation makes. Members of the body that are null are secret, or the provider's alone."""

    method: str
    url: str
    body: dict[str, str | None]


class OperationRef(TypedDict):
    """An operation by its id."""

    id: str


class ServiceOperation(TypedDict):
    """An operation of an add-on of the service. `replay` is what may be sent for it (`now`, `again`, `removal`); else `kept_back`
    says why nothing may.
    """

    id: str
    addon: Ref
    kind: str
    state: str
    attempts: int
    request: AskedRequest
    steps: list[dict[str, Any]]
    next_attempt_at: str | None
    created_at: str
    finished_at: str | None
    replay: str | None
    kept_back: str | None


class Replayed(TypedDict):
    """What is being sent: the call itself `now` or `again`, or the `removal` of what it may have left."""

    operation: OperationRef
    sent: str


class ServiceDelivery(TypedDict):
    """How telling one event to a webhook of the service went. `answer` is the status of the last attempt, or why there was none."""

    id: str
    addon: Ref
    include: str
    host: str
    level: str
    status: str
    num_attempts: int
    answer: str | None
    next_attempt_at: str | None
    failing_since: str | None
    created_at: str
    updated_at: str
