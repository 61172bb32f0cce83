"""Single sign-on: checks the signed form that brings a user from the marketplace, and keeps them in with a cookie.

Source: the add-on partner contract, single sign-on: SHA1(`uuid:salt:timestamp`) and, bound to the user,
SHA256(`uuid:salt:timestamp:user id:email`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from providers.kit.secrets import ProviderKey
from providers.kit.service import ProviderError
from providers.kit.store import ResourceStore

WINDOW = timedelta(minutes=5)
AHEAD = timedelta(minutes=1)  # the broker's clock may be ahead, and it moves a second click to the next free second
SESSION = timedelta(minutes=90)
COOKIE = "dashboard_session"


class SignOnRefused(ProviderError):
    """The user is not let in; the page says where to come in instead."""

    status = 403

    def __init__(self, message: str) -> None:
        super().__init__(message)


@dataclass(frozen=True)
class User:
    """Who signed on. Both are empty when the form carried no token bound to a user: then nobody vouched for them."""

    id: str = ""
    email: str = ""


@dataclass(frozen=True)
class Session:
    """A user inside one resource's dashboard. `form_token` goes into each form as the hidden field of that name."""

    uuid: UUID
    user: User
    form_token: str


def verify(form: Mapping[str, str], uuid: UUID, salt: str, now: datetime, store: ResourceStore) -> User:
    """The user whom this form signs on to the resource `uuid`. Every token present must be right, and new.

    Raises: SignOnRefused for a wrong, expired or replayed form.
    """
    timestamp = form.get("timestamp", "")
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise SignOnRefused("This link is not valid.")
    seconds = int(now.timestamp())
    if not -AHEAD.total_seconds() <= seconds - int(timestamp) <= WINDOW.total_seconds():
        raise SignOnRefused("This link has expired.")
    user = _signed(form, uuid, salt, timestamp)
    # A sign-on with the user's token also uses up the plain one, which a thief could otherwise cut out of the form.
    expires = int(timestamp) + int(WINDOW.total_seconds()) + 1
    plain_is_new = store.first_use(f"{uuid}:{timestamp}", seconds, expires)
    if not (store.first_use(f"{uuid}:{timestamp}:{user.id}", seconds, expires) if user.id else plain_is_new):
        raise SignOnRefused("This link was used already.")
    return user


def path_in(wanted: str) -> str:
    """Where below the resource's dashboard the user wants to go; nothing, if that is not plainly below it.

    No token covers it: it is the user's wish, and gives no right.
    """
    plain = re.fullmatch(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?(\?[A-Za-z0-9._~=&%+:@/-]*)?", wanted)
    return wanted if plain else ""


def _signed(form: Mapping[str, str], uuid: UUID, salt: str, timestamp: str) -> User:
    base = f"{uuid}:{salt}:{timestamp}"
    user = User(form.get("user_id", ""), form.get("email", ""))
    plain, bound = form.get("resource_token"), form.get("user_scoped_resource_token")
    expected_plain = hashlib.sha1(base.encode(), usedforsecurity=False).hexdigest()  # the contract's digest
    expected_bound = hashlib.sha256(f"{base}:{user.id}:{user.email}".encode()).hexdigest()
    if not (plain or bound) or (plain and not _same(plain, expected_plain)):
        raise SignOnRefused("This link is not valid.")
    if bound and not (user.id and _same(bound, expected_bound)):
        raise SignOnRefused("This link is not valid.")
    return user if bound else User()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def seal(uuid: UUID, user: User, key: ProviderKey, now: datetime) -> str:
    """The value of the session cookie."""
    claims = {"r": str(uuid), "u": user.id, "e": user.email, "x": int((now + SESSION).timestamp())}
    body = _encode(json.dumps(claims).encode())
    return f"{body}.{_seal_of(body, key)}"


def unseal(cookie: str, uuid: UUID, key: ProviderKey, now: datetime) -> Session:
    """The session in a cookie.

    Raises: SignOnRefused when it is forged, expired, or of another resource.
    """
    body, _, seal_given = cookie.partition(".")
    if not _same(seal_given, _seal_of(body, key)):
        raise SignOnRefused("Please open the dashboard from the marketplace.")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    if claims["r"] != str(uuid) or claims["x"] < now.timestamp():
        raise SignOnRefused("Your session has ended. Please open the dashboard from the marketplace again.")
    form_token = _encode(key.sign(b"form:" + cookie.encode()))
    return Session(uuid, User(claims["u"], claims["e"]), form_token)


def check_form(session: Session, token: str | None) -> None:
    """Make sure that a form was sent from our own page; a cookie, shared by all ports of a host, does not prove that.

    Raises: SignOnRefused.
    """
    if not _same(token or "", session.form_token):
        raise SignOnRefused("This form has expired. Please go back, reload the page and try again.")


def _seal_of(body: str, key: ProviderKey) -> str:
    return _encode(key.sign(b"session:" + body.encode()))


def _encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
