"""What somebody is in a team, and what that allows. What it means for apps, `apps/visibility.py` says."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from broker.kernel.errors import InvalidParams


class TeamRole(StrEnum):
    """What somebody is in a team."""

    OWNER = "owner"
    """May do everything. There is always one."""
    ADMIN = "admin"
    """Runs members, apps and money, but neither makes owners nor unmakes them."""
    MEMBER = "member"
    """Works on every app of the team, and makes new ones."""
    VIEWER = "viewer"
    """Sees the apps, and changes nothing."""
    BILLING = "billing"
    """Sees the apps, changes nothing of them, and runs the money."""


RULING: Final = (TeamRole.OWNER, TeamRole.ADMIN)
"""Who may do to the team's apps what only their owner may."""
WORKING: Final = (*RULING, TeamRole.MEMBER)
"""Who may change the team's apps."""
PAYING: Final = (*RULING, TeamRole.BILLING)
"""Who may act with the team's money, and is told what concerns it."""


def checked_team_role(text: str) -> TeamRole:
    """The role of this name.

    Raises: InvalidParams.
    """
    try:
        return TeamRole(text)
    except ValueError:
        raise InvalidParams(f"role: must be one of {', '.join(role.value for role in TeamRole)}.") from None
