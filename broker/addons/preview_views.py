"""What a preview tells: costs, config vars, releases, what is in the way, and whether it can be taken back. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Action(StrEnum):
    """What can be previewed."""

    CREATE = "create"
    CHANGE_PLAN = "change_plan"
    DESTROY = "destroy"
    ATTACH = "attach"
    DETACH = "detach"
    MOVE = "move"


@dataclass(frozen=True, slots=True)
class AppPreview:
    """What an app would get: its next release (None: perhaps none) and the config vars that are other in it."""

    app_name: str
    release: int | None
    added: Sequence[str]
    changed: Sequence[str]
    removed: Sequence[str]
    may_change: Sequence[str] = ()
    """Those that the provider may give other values."""


@dataclass(frozen=True, slots=True)
class CostPreview:
    """What it would cost. Units: minor units of `currency`, before tax; the price per month, and the whole account's month."""

    currency: str
    monthly_before_minor: int
    monthly_after_minor: int
    month: str
    month_delta_minor: int
    """By how much the month gets dearer until its end, by the function that bills it."""
    metered: bool
    """Whether usage comes on top."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why it would be refused as it was asked for, under the id that the refusal would have."""

    id: str
    message: str


@dataclass(frozen=True, slots=True)
class PreviewView:
    """What a change would do. None of it was done."""

    action: Action
    addon: str | None
    plan: str
    cost: CostPreview | None
    """None: it has nothing to do with cost."""
    apps: tuple[AppPreview, ...]
    obstacles: tuple[Obstacle, ...]
    attachment: str | None = None
    """Of what is to be created: the name that its attachment would get. To be sure of it, ask for it."""

    @property
    def is_reversible(self) -> bool:
        """Whether it can be taken back without loss."""
        return self.action is not Action.DESTROY

    @property
    def reversibility(self) -> str:
        """How it can be taken back, in words."""
        return _REVERSIBILITY[self.action]


_REVERSIBILITY: Final = {
    Action.CREATE: "Destroying the add-on; the time until then is paid for.",
    Action.CHANGE_PLAN: "Changing back, if the provider agrees: what is stored must fit into the smaller plan.",
    Action.DESTROY: "None: the provider deletes the data. A new add-on would be empty.",
    Action.ATTACH: "Detaching; what it took the place of has to be set or attached anew.",
    Action.MOVE: "Moving it back; what was billed meanwhile stays billed to the other app.",
    Action.DETACH: "Attaching it again under the same name.",
}
