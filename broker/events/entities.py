"""What webhooks can be told about: which kind of event is which change of which entity. Pure; no table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PREFIX: Final = "api:"


class Action(StrEnum):
    """What became of a resource."""

    CREATE = "create"
    UPDATE = "update"
    DESTROY = "destroy"


@dataclass(frozen=True, slots=True)
class Change:
    """One kind of event, as webhooks know it. `include` is what they subscribe to: `api:` and the resource."""

    include: str
    action: Action

    @property
    def resource(self) -> str:
        return self.include.removeprefix(PREFIX)


_CHANGES: Final[dict[str, dict[Action, str]]] = {
    "api:app": {
        Action.CREATE: "app.created",
        Action.UPDATE: "app.changed app.transferred",
        Action.DESTROY: "app.destroyed",
    },
    "api:addon": {
        Action.CREATE: "addon.requested",
        Action.UPDATE: "addon.provisioned addon.plan_changed addon.renamed addon.transferred addon.suspended addon.resumed addon.destroy_requested",
        Action.DESTROY: "addon.deprovisioned addon.provision_failed addon.forgotten",
    },
    "api:addon-attachment": {
        Action.CREATE: "addon.requested attachment.created",
        Action.DESTROY: "attachment.destroyed",
    },
    "api:release": {Action.CREATE: "release.created"},
    "api:collaborator": {Action.CREATE: "collaborator.added", Action.DESTROY: "collaborator.removed"},
}


def _by_kind() -> dict[str, tuple[Change, ...]]:
    found: dict[str, tuple[Change, ...]] = {}
    for include, actions in _CHANGES.items():
        for action, kinds in actions.items():
            for kind in kinds.split():
                found[kind] = (*found.get(kind, ()), Change(include, action))
    return found


CHANGES: Final = _by_kind()
"""By kind of event; some are changes of two resources. What is not here, webhooks are not told."""

FOR_ADDONS: Final = frozenset(
    "api:addon api:addon-attachment api:app api:collaborator api:domain api:sni-endpoint api:ssl-endpoint".split()
)
"""What the webhook of an add-on may include: a provider need not know what is released, built or run."""

FOR_APPS: Final = FOR_ADDONS | frozenset("api:build api:dyno api:formation api:release".split())
"""What the webhook of an app may include. Of some nothing happens here, but clients ask for them."""

ENDS: Final = frozenset({"app.destroyed", "addon.deprovisioned", "addon.provision_failed", "addon.forgotten"})
"""Kinds after which there is nothing more to tell of the app or add-on itself."""
