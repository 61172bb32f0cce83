"""What is being done for an add-on, as steps that one can watch. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from broker.addons.models import OperationKind, OperationState
from broker.addons.queries import OperationView


class Stage(StrEnum):
    """Whether a step is behind, under way, or ahead."""

    DONE = "done"
    NOW = "now"
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True)
class Progress:
    """How an operation goes on."""

    title: str
    steps: Sequence[tuple[Stage, str]]
    note: str | None
    """What is in its way at the moment, if anything is."""
    is_over: bool
    failure: str | None
    """Why it failed, in the provider's words as a rule."""


_WORDS: Final[Mapping[str, tuple[str, str, str, str]]] = {
    OperationKind.PROVISION: ("It is being made", "Your wish is recorded", "{} makes it", "Its config vars are set"),
    OperationKind.PLAN_CHANGE: (
        "The plan is being changed", "Your wish is recorded", "{} changes the plan", "The new plan and price hold"),
    OperationKind.PLAN_RESTORE: (
        "The former plan is being restored", "The change has failed", "{} goes back to the former plan",
        "The plan is as it was"),
    OperationKind.DEPROVISION: (
        "It is being removed", "Config vars and costs have ended", "{} deletes the data", "It is gone"),
    OperationKind.REFRESH: ("Its config is being renewed", "{} has news", "The values are taken", "Apps have them"),
    OperationKind.ROTATE: (
        "Its credentials are being rotated", "Your wish is recorded", "{} issues new ones", "Apps have them"),
}  # fmt: skip
"""By kind: what goes on, what has begun it, what the provider does, what is true in the end."""


def progress_of(operation: OperationView, service: str) -> Progress:
    """The steps of an operation on an add-on of this service."""
    title, begun, doing, done = (words.format(service) for words in _WORDS[operation.kind])
    succeeded = operation.state == OperationState.SUCCEEDED
    asked = succeeded or operation.state == OperationState.WAITING
    failed = operation.state == OperationState.FAILED
    stages = [
        (Stage.DONE, begun),
        (Stage.DONE if asked else Stage.NOW, f"{service} is asked"),
        (Stage.DONE if succeeded else Stage.NOW if asked else Stage.AHEAD, doing),
        (Stage.DONE if succeeded else Stage.AHEAD, done),
    ]
    return Progress(
        title,
        stages,
        _note(operation, service),
        operation.finished_at is not None,
        (operation.reason or "It could not be done.") if failed else None,
    )


def _note(operation: OperationView, service: str) -> str | None:
    if operation.state != OperationState.PENDING or not operation.attempts or operation.next_attempt_at is None:
        return None
    said = f" ({operation.reason})" if operation.reason else ""
    again = f"{operation.next_attempt_at:%H:%M:%S} UTC"
    return f"{service} could not be reached{said}. Attempt {operation.attempts + 1} begins at {again}, by itself."
