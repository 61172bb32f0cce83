"""What users have allowed which clients: remembered so that nobody is asked twice for the same. Synchronous, for Authlib."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert

from broker.accounts.models import Authorization
from broker.oauth.conversation import Conversation, KnownClient
from broker.oauth.models import OAuthConsent
from broker.oauth.scopes import Reach


def remembered(talk: Conversation, client: KnownClient, user_id: UUID) -> Reach | None:
    """What the user allowed this client last, unless it was taken back since.

    Of a public client nothing is remembered: anybody can pretend to be it.

    Source: RFC 8252, section 8.6.
    """
    if client.public:
        return None
    mine = (OAuthConsent.user_id == user_id, OAuthConsent.client_id == client.id)
    taken_back = exists().where(
        Authorization.user_id == user_id,
        Authorization.client_id == client.id,
        Authorization.revoked_at >= OAuthConsent.given_at,
    )
    columns = select(OAuthConsent.scopes, OAuthConsent.only_apps)
    row = talk.connection.execute(columns.where(*mine, ~taken_back)).one_or_none()
    if row is None:
        return None
    return Reach(tuple(row.scopes), None if row.only_apps is None else frozenset(row.only_apps))


def remember(talk: Conversation, client: KnownClient, user_id: UUID, reach: Reach) -> None:
    """Put this in the place of what was allowed before."""
    given = {
        "scopes": list(reach.names),
        "only_apps": None if reach.only_apps is None else sorted(reach.only_apps),
        "given_at": talk.now,
    }
    statement = insert(OAuthConsent).values(user_id=user_id, client_id=client.id, **given)
    talk.connection.execute(statement.on_conflict_do_update(index_elements=["user_id", "client_id"], set_=given))
