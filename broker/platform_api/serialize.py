"""From the views of use cases to the shapes of this face; what several faces show is in `faces/serialize.py`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from broker.accounts.account import AccountView
from broker.accounts.authorizations import AuthorizationView
from broker.addons.queries import OperationView
from broker.faces.serialize import Seer as Seer
from broker.faces.serialize import addon as addon
from broker.faces.serialize import app as app
from broker.faces.serialize import attachment as attachment
from broker.faces.serialize import collaborator as collaborator
from broker.faces.serialize import conformance as conformance
from broker.faces.serialize import maybe as maybe
from broker.faces.serialize import named as named
from broker.faces.serialize import plan as plan
from broker.faces.serialize import ref as ref
from broker.faces.serialize import release as release
from broker.faces.serialize import reliability as reliability
from broker.faces.serialize import service as service
from broker.faces.serialize import sunset as sunset
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor
from broker.oauth.clients import ClientName
from broker.payments.standing import Standing
from broker.platform_api import shapes
from broker.platform_api.deps import Face


def operation(view: OperationView) -> shapes.Operation:
    return {
        "id": str(view.id),
        "addon": {"id": str(view.addon_id)},
        "kind": view.kind,
        "state": view.state,
        "attempts": view.attempts,
        "next_attempt_at": maybe(view.next_attempt_at),
        "deadline_at": rfc3339(view.deadline_at),
        "reason": view.reason,
        "history": [dict(entry) for entry in view.history],
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
        "finished_at": maybe(view.finished_at),
    }


def account(view: AccountView, standing: Standing) -> shapes.Account:
    """The account; the two times are what Heroku's command line warns of."""
    return {
        "id": str(view.id),
        "email": view.email,
        "name": view.name,
        "allow_tracking": False,
        "beta": False,
        "federated": False,
        "verified": standing.is_verified,
        "two_factor_authentication": view.has_two_factor,
        "sms_number": None,
        "country_of_residence": None,
        "suspended_at": maybe(standing.suspended_at),
        "delinquent_at": maybe(standing.delinquent_at),
        "scheduled_suspension_time": maybe(standing.suspends_at),
        "scheduled_deletion_time": maybe(standing.deletes_at),
        "last_login": maybe(view.last_login),
        "default_team": None,
        "default_organization": None,
        "identity_provider": None,
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }


def _client(client: ClientName) -> shapes.OAuthClientRef:
    return {"id": str(client.id), "name": client.name, "redirect_uri": client.redirect_uri}


def authorization(view: AuthorizationView, now: datetime, clients: Mapping[UUID, ClientName]) -> shapes.Authorization:
    """A token's record. `clients` has the name of the client that holds it, if any."""
    client = None if view.client_id is None else clients.get(view.client_id)
    left = None if view.expires_at is None else max(0, int((view.expires_at - now).total_seconds()))
    token = view.hint if view.token is None else view.token.reveal()
    return {
        "id": str(view.id),
        "description": view.description,
        "scope": [*view.scopes, *sorted(f"app:{app}" for app in view.only_apps or ())],
        "access_token": {"id": str(view.id), "token": token, "expires_in": left},
        "refresh_token": None,
        "client": None if client is None else _client(client),
        "grant": None,
        "session": None if view.session_id is None else {"id": str(view.session_id)},
        "last_used_at": maybe(view.last_used_at),
        "user": {"id": str(view.user_id), "email": view.user_email, "full_name": None},
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }


def seer(face: Face, actor: Actor) -> Seer:
    """This actor, looking through this face."""
    return Seer(actor, face.sign_on_url)
