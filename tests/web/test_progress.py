"""What an operation looks like to whoever waits for it, in each of its states."""

from datetime import timedelta

import pytest

from broker.addons.models import OperationKind, OperationState
from broker.addons.queries import OperationView
from broker.kernel.ids import new_id
from broker.web.progress import Stage, progress_of
from tests.domain import START

DONE, NOW, AHEAD = Stage.DONE, Stage.NOW, Stage.AHEAD


def operation(state: OperationState, kind: OperationKind = OperationKind.PROVISION, attempts: int = 0) -> OperationView:
    over = START if state in (OperationState.SUCCEEDED, OperationState.FAILED) else None
    again, end, reason = START + timedelta(seconds=30), START + timedelta(days=1), "503" if attempts else None
    return OperationView(new_id(), new_id(), kind, state, attempts, again, end, reason, (), START, START, over)


@pytest.mark.parametrize(
    ("state", "stages"),
    [
        (OperationState.PENDING, [DONE, NOW, AHEAD, AHEAD]),
        (OperationState.RUNNING, [DONE, NOW, AHEAD, AHEAD]),
        (OperationState.WAITING, [DONE, DONE, NOW, AHEAD]),
        (OperationState.SUCCEEDED, [DONE, DONE, DONE, DONE]),
    ],
)
@pytest.mark.parametrize("kind", OperationKind)
def test_every_kind_goes_on_step_by_step(kind: OperationKind, state: OperationState, stages: list[Stage]) -> None:
    progress = progress_of(operation(state, kind), "Store {0}")
    assert [stage for stage, _ in progress.steps] == stages
    assert progress.is_over == (state is OperationState.SUCCEEDED)
    assert any("Store {0}" in text for _, text in progress.steps)


def test_what_is_in_the_way_and_why_it_failed_is_told() -> None:
    waits = progress_of(operation(OperationState.PENDING, attempts=2), "Store").note
    assert waits == "Store could not be reached (503). Attempt 3 begins at 09:54:37 UTC, by itself."
    failed = progress_of(operation(OperationState.FAILED, attempts=1), "Store")
    assert (failed.failure, failed.is_over, failed.note) == ("503", True, None)
