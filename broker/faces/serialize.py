"""From the views of use cases to the shapes that several faces answer with. Always the full nested objects: every
expansion that a client may ask for in a header is there without asking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID, uuid5

from broker.addons.queries import AddonView, AttachmentView
from broker.apps.collaborators import CollaboratorView
from broker.apps.release_history import ReleaseView
from broker.apps.resolve import AppView
from broker.catalog import views as catalog
from broker.catalog.reliability import Reliability
from broker.faces import shapes
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor

V = TypeVar("V")
S = TypeVar("S")


class SignOnUrl(Protocol):
    """The short-lived link with which an actor opens an add-on (first id) from an app (second), for whoever has one; `path`
    is where in the dashboard it leads to."""

    def __call__(self, actor: Actor, addon_id: UUID, app_id: UUID, path: str = "", /) -> str | None: ...


_NAMES = UUID("6f0cf5c1-9d0a-4c55-b6c1-2f6f6d1c5a10")
"""Space of the ids of what has only a name here: regions, stacks, generations."""


@dataclass(frozen=True, slots=True)
class Seer:
    """Who looks: links to add-ons are made for one person."""

    actor: Actor
    sign_on_url: SignOnUrl


def maybe(instant: datetime | None) -> str | None:
    """An instant as text, if there is one."""
    return None if instant is None else rfc3339(instant)


def ref(id_: UUID, name: str) -> shapes.Ref:
    """Something by id and name."""
    return {"id": str(id_), "name": name}


def named(name: str) -> shapes.Ref:
    """Something that has only a name: its id is made from it."""
    return ref(_id_of(name), name)


@lru_cache(maxsize=256)
def _id_of(name: str) -> UUID:
    return uuid5(_NAMES, name)


def app(view: AppView, public_url: str) -> shapes.App:
    return {
        "id": str(view.id),
        "name": view.name,
        "acm": False,
        "archived_at": None,
        "buildpack_provided_description": None,
        "build_stack": named(view.stack),
        "stack": named(view.stack),
        "generation": named("cedar"),
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
        "released_at": maybe(view.released_at),
        "git_url": f"{public_url}/{view.name}.git",
        "web_url": f"{public_url}/dashboard/apps/{view.name}",
        "internal_routing": None,
        "maintenance": view.maintenance,
        "owner": {"id": str(view.owner_id), "email": view.owner_email},
        "organization": None,
        "team": None if view.team_name is None else ref(view.owner_id, view.team_name),
        "region": named(view.region),
        "repo_size": None,
        "slug_size": None,
        "space": None,
    }


def release(view: ReleaseView) -> shapes.Release:
    return {
        "id": str(view.id),
        "version": view.version,
        "description": view.description,
        "status": "succeeded",
        "current": view.current,
        "eligible_for_rollback": True,
        "user": {"id": str(view.actor_id), "email": view.actor_email},
        "app": ref(view.app_id, view.app_name),
        "slug": None,
        "artifacts": [],
        "addon_plan_names": list(view.addon_plan_names),
        "output_stream_url": None,
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.created_at),
    }


def service(view: catalog.ServiceView) -> shapes.Service:
    return {
        "id": str(view.id),
        "name": view.slug,
        "human_name": view.name,
        "cli_plugin_name": view.cli_plugin_name,
        "state": view.state,
        "supports_multiple_installations": view.supports_multiple_installations,
        "supports_sharing": view.supports_sharing,
        "supported_generations": [named("cedar")],
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
        "tagline": view.listing.tagline,
        "description": view.listing.description,
        "category": view.listing.category,
        "tags": list(view.listing.tags),
        "docs": view.listing.docs,
        "docs_url": view.listing.docs_url,
        "support_email": view.listing.support_email,
        "regions": list(view.regions),
        "sunset": sunset(view),
        "conformance": conformance(view),
        "reliability": reliability(view.reliability),
    }


def reliability(view: Reliability | None) -> shapes.Reliability | None:
    """What a canary has measured."""
    if view is None:
        return None
    return {
        "measured": view.measured,
        "runs": view.runs,
        "passed": view.passed,
        "passed_percent": view.passed_percent if view.measured else None,
        "available_percent": view.available_percent if view.measured else None,
        "provision_median_ms": view.median_ms if view.measured else None,
        "provision_p95_ms": view.p95_ms if view.measured else None,
        "since": rfc3339(view.since),
        "until": rfc3339(view.until),
        "summary": view.summary,
    }


def conformance(view: catalog.ServiceView) -> shapes.Conformance | None:
    """The badge of the provider test kit, if the present manifest has it."""
    said = view.conformant
    if said is None:
        return None
    return {"at": said["at"], "kit": said["kit"], "strict": said["strict"], "summary": said["summary"]}


def sunset(view: catalog.ServiceView) -> shapes.Sunset | None:
    """The announced end of a service, if there is one."""
    if view.sunset_at is None:
        return None
    return {"at": rfc3339(view.sunset_at), "successor": view.successor, "message": catalog.sunset_text(view)}


def _service_ref(view: catalog.ServiceRef) -> shapes.ServiceRef:
    return {
        "id": str(view.id),
        "name": view.slug,
        "human_name": view.name,
        "state": view.state,
        "supports_multiple_installations": view.supports_multiple_installations,
        "supports_sharing": view.supports_sharing,
    }


def _price(cents: int, plan: catalog.PlanView, currency: str) -> shapes.Price:
    """The price with what its plan says of usage; the command line shows `metered` for any that has it."""
    return {
        "cents": cents,
        "contract": False,
        "unit": "month",
        "metered": plan.metered,
        "kind": plan.price_kind,
        "currency": currency,
    }


def plan(view: catalog.PlanView) -> shapes.Plan:
    return {
        "id": str(view.id),
        "name": view.name,
        "human_name": view.human_name,
        "description": view.description,
        "addon_service": _service_ref(view.service),
        "compliance": None,
        "default": view.is_default,
        "visible": view.visible,
        "state": view.state,
        "price": _price(view.price_cents, view, view.currency),
        "space_default": False,
        "installable_inside_private_network": False,
        "installable_outside_private_network": True,
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
        "features": dict(view.features),
        "regions": list(view.regions),
        "options_schema": None if view.options_schema is None else dict(view.options_schema),
        "trial_days": view.trial_days,
    }


_MOST_SHAPES: Final = 2_000
_shapes: dict[int, tuple[object, Any]] = {}


def _once(make: Callable[[V], S], view: V) -> S:
    """The shape of a view that the catalog keeps (`catalog/offers.py`), made when it is first shown. Nobody changes it."""
    if id(view) not in _shapes:
        if len(_shapes) >= _MOST_SHAPES:
            _shapes.clear()
        _shapes[id(view)] = (view, make(view))  # with the view, so that the id stays its own
    shape: S = _shapes[id(view)][1]
    return shape


def addon(view: AddonView, seer: Seer) -> shapes.Addon:
    return {
        "id": str(view.id),
        "name": view.name,
        "actions": [],
        "addon_service": _once(service, view.service),
        "app": ref(view.app_id, view.app_name),
        "billing_entity": {"id": str(view.app_id), "name": view.app_name, "type": "app"},
        "billed_price": _price(view.price_cents, view.plan, view.currency),
        "config_vars": list(view.config_vars),
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
        "plan": _once(plan, view.plan),
        "provider_id": view.provider_id or "",
        "provision_message": view.provision_message or "",
        "reason": view.reason,
        "state": view.state.value,
        "suspended_at": maybe(view.suspended_at),
        "suspended_for": view.suspended_for,
        "web_url": seer.sign_on_url(seer.actor, view.id, view.app_id),
    }


def attachment(view: AttachmentView, seer: Seer) -> shapes.Attachment:
    return {
        "id": str(view.id),
        "name": view.name,
        "namespace": view.namespace,
        "addon": {
            "id": str(view.addon_id),
            "name": view.addon_name,
            "app": ref(view.owner_app_id, view.owner_app_name),
            "plan": _once(plan, view.plan),
            "state": view.addon_state.value,
        },
        "app": ref(view.app_id, view.app_name),
        "config_vars": list(view.config_vars),
        "web_url": seer.sign_on_url(seer.actor, view.addon_id, view.app_id),
        "log_input_url": None,
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }


def collaborator(view: CollaboratorView) -> shapes.Collaborator:
    return {
        "id": str(view.id),
        "app": ref(view.app_id, view.app_name),
        "user": {"id": str(view.user_id), "email": view.email, "federated": False},
        "role": view.role,
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.created_at),
    }
