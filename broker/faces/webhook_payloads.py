"""What webhooks are told of a fact: the resource in the Platform API's shape, as it was after it. No config values, no links
made for one person.

What changes quickly (the state, the names) is told from the fact itself; the rest is read when the fact is taken in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from broker.addons.models import AddonState, Attachment
from broker.addons.queries import get_addon, get_attachment, given_vars
from broker.apps.collaborators import CollaboratorView
from broker.apps.release_history import find_release
from broker.apps.resolve import app_that_was
from broker.apps.visibility import Role
from broker.events.take_in import Fact, Told
from broker.faces import serialize
from broker.faces.serialize import Seer
from broker.kernel.clock import rfc3339
from broker.kernel.context import SYSTEM
from broker.kernel.db import Tx

_NOBODY: Final = Seer(SYSTEM, lambda _actor, _addon, _app, _path="": None)
"""Links to dashboards sign one person on: a receiver gets none."""

_STATES: Final[dict[str, tuple[AddonState, AddonState | None]]] = {
    "addon.requested": (AddonState.PROVISIONING, None),
    "addon.provisioned": (AddonState.PROVISIONED, AddonState.PROVISIONING),
    "addon.provision_failed": (AddonState.DEPROVISIONED, AddonState.PROVISIONING),
    "addon.destroy_requested": (AddonState.DEPROVISIONING, None),
    "addon.deprovisioned": (AddonState.DEPROVISIONED, AddonState.DEPROVISIONING),
    "addon.forgotten": (AddonState.DEPROVISIONED, None),
}
"""By kind of event: the state after it, and the one before it where that is certain."""


class WebhookPayloads:
    """Renders facts for webhooks; to be given to `events/deliver.py`."""

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url
        self._render: Mapping[str, Callable[[Tx, Fact], Awaitable[Told]]] = {
            "app": self._app,
            "addon": _addon,
            "addon-attachment": _attachment,
            "release": _release,
            "collaborator": _collaborator,
        }

    async def __call__(self, tx: Tx, fact: Fact, resource: str) -> Told:
        return await self._render[resource](tx, fact)

    async def _app(self, tx: Tx, fact: Fact) -> Told:
        assert fact.app_id is not None, "facts about apps name them"
        shape = serialize.app(await app_that_was(tx, fact.app_id), self._public_url)
        changed = {key: value for key, value in fact.data.get("changed", {}).items() if key in ("name", "maintenance")}
        before = {key: value for key, value in fact.data.get("before", {}).items() if key in changed}
        return Told({**shape, **changed}, before)


async def _addon(tx: Tx, fact: Fact) -> Told:
    assert fact.addon_id is not None, "facts about add-ons name them"
    data: dict[str, Any] = {**serialize.addon(await get_addon(tx, fact.addon_id), _NOBODY)}
    previous: dict[str, Any] = {}
    if fact.kind in _STATES:
        data["state"], before = _STATES[fact.kind]
        previous = {"state": before} if before is not None else {}
    elif fact.kind == "addon.renamed":
        data |= {"name": fact.data["after"], "state": fact.data["state"]}
        previous = {"name": fact.data["before"]}
    elif fact.kind == "addon.plan_changed":
        data["state"], previous = AddonState.PROVISIONED, {"plan": {"name": fact.data["before"]}}
    elif fact.kind == "addon.suspended":
        data |= {"state": AddonState.PROVISIONED, "suspended_at": rfc3339(fact.at), "suspended_for": fact.data["why"]}
        previous = {"suspended_at": None}
    elif fact.kind == "addon.resumed":
        data |= {"state": AddonState.PROVISIONED, "suspended_at": None, "suspended_for": None}
        previous = {"suspended_at": fact.data["since"]}
    return Told(data, previous)


async def _attachment(tx: Tx, fact: Fact) -> Told:
    attachment_id = UUID(fact.data["attachment_id"])
    if (await tx.execute(select(Attachment.id).where(Attachment.id == attachment_id))).first():
        return Told({**serialize.attachment(await get_attachment(tx, attachment_id), _NOBODY)})
    return Told(await _ended_attachment(tx, fact, attachment_id))


async def _ended_attachment(tx: Tx, fact: Fact, attachment_id: UUID) -> dict[str, Any]:
    """An attachment that is there no more, from what was recorded of it."""
    assert fact.addon_id is not None, "facts about attachments name both sides"
    assert fact.app_id is not None, "facts about attachments name both sides"
    addon, app = await get_addon(tx, fact.addon_id), await app_that_was(tx, fact.app_id)
    at = rfc3339(fact.at)
    return {
        "id": str(attachment_id),
        "name": fact.data["attachment"],
        "namespace": fact.data.get("namespace"),
        "addon": {
            "id": str(addon.id),
            "name": addon.name,
            "app": serialize.ref(addon.app_id, addon.app_name),
            "plan": serialize.plan(addon.plan),
            "state": addon.state.value,
        },
        "app": serialize.ref(app.id, app.name),
        "config_vars": given_vars(addon.service, fact.data["attachment"]),
        "web_url": None,
        "log_input_url": None,
        "created_at": fact.data.get("since", at),
        "updated_at": at,
    }


async def _release(tx: Tx, fact: Fact) -> Told:
    assert fact.app_id is not None, "facts about releases name the app"
    view = await find_release(tx, fact.app_id, str(fact.data["version"]))
    return Told({**serialize.release(view)})


async def _collaborator(tx: Tx, fact: Fact) -> Told:
    assert fact.app_id is not None, "facts about collaborators name the app"
    app, data = await app_that_was(tx, fact.app_id), fact.data
    user_id, email = UUID(data["user_id"]), data["email"]
    view = CollaboratorView(app.id, app.name, user_id, email, Role.COLLABORATOR, fact.at)
    return Told({**serialize.collaborator(view)})
