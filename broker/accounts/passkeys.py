"""Passkeys: keys of WebAuthn that a browser keeps, with which a user signs in without a password.

They are asked for with user verification (a fingerprint, a PIN), so one of them is both factors at once. Challenges are
not stored: they are signed, are good for some minutes, and only once.
Source: Web Authentication Level 2; the verification itself is the library's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from fido2.server import Fido2Server
from fido2.utils import websafe_decode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorData,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from broker.accounts.brakes import Allowance, count
from broker.accounts.locked import note_login
from broker.accounts.models import User
from broker.accounts.proof_models import Passkey
from broker.accounts.two_factor import drop_codes_of_nothing, first_codes, tell_of_factor
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import Conflict, Forbidden, InvalidParams, NotFound, RateLimited, Unauthorized
from broker.kernel.ids import as_uuid, new_id
from broker.kernel.secret import Secret

LONGEST_NAME: Final = 60
MOST: Final = 20
_LIFE: Final = timedelta(minutes=5)
_ONCE: Final = Allowance("answers to a challenge", 1, _LIFE, "This page was used already. Load it again.")
_PURPOSE: Final = "passkey-challenge"
_UNUSABLE: Final = "The passkey was not accepted. Load the page again, and try once more."
_FAULTS: Final = (ValueError, TypeError, KeyError, AttributeError, IndexError, NotImplementedError, RecursionError)
"""What the library raises for answers that are wrong, or none at all."""


@dataclass(frozen=True, slots=True)
class Site:
    """What passkeys are bound to: a host name, never an address, and the origin of the pages."""

    name: str
    origin: str

    @classmethod
    def of(cls, public_url: str) -> Site | None:
        """That of an installation, or None if it is only reached by a number. This machine is called localhost."""
        parts = urlsplit(public_url)
        host = parts.hostname or ""
        try:
            address = ip_address(host)
        except ValueError:
            return cls(host, public_url)
        if not address.is_loopback:
            return None
        port = f":{parts.port}" if parts.port else ""
        return cls("localhost", f"{parts.scheme}://localhost{port}")

    def server(self) -> Fido2Server:
        """The library's view of it."""
        relying = PublicKeyCredentialRpEntity(id=self.name, name="Addon Broker")
        return Fido2Server(relying, verify_origin=lambda origin: origin == self.origin)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a page asks the browser, and what it brings back with the answer."""

    options: Mapping[str, Any]
    state: str


@dataclass(frozen=True, slots=True)
class PasskeyView:
    """A passkey as its user sees it."""

    id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None


async def list_passkeys(ctx: Context, actor: Actor) -> list[PasskeyView]:
    """The actor's, oldest first.

    Raises: Forbidden.
    """
    actor.require_own_token()
    columns = (Passkey.id, Passkey.name, Passkey.created_at, Passkey.last_used_at)
    statement = select(*columns).where(Passkey.user_id == actor.id).order_by(Passkey.created_at, Passkey.id)
    async with ctx.database.transaction() as tx:
        return [PasskeyView(*row) for row in await tx.execute(statement)]


async def begin_passkey(ctx: Context, actor: Actor, site: Site) -> Challenge:
    """Ask the browser for a new key; not for one on a device that has one of this user's.

    Raises: Forbidden.
    """
    actor.require_own_token()
    async with ctx.database.transaction() as tx:
        rows = await tx.execute(select(Passkey.credential).where(Passkey.user_id == actor.id))
        known = [AttestedCredentialData(row.credential) for row in rows]
    user = PublicKeyCredentialUserEntity(id=actor.id.bytes, name=actor.email, display_name=actor.email)
    options, state = site.server().register_begin(
        user,
        known,
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return _challenge(ctx, options, state, str(actor.id))


async def add_passkey(ctx: Context, actor: Actor, site: Site, state: str, answer: str, name: str) -> list[Secret]:
    """Keep the key that the browser has made. Recovery codes, if these are the first.

    Raises: InvalidParams for an answer that is none, Conflict for a key that is known or too many, Forbidden.
    """
    actor.require_own_token()
    opened, now = await _opened(ctx, state, str(actor.id)), ctx.clock.now()
    made = _registered(site, opened, answer)
    assert made.credential_data is not None, "the library says so"
    row = {
        "id": new_id(),
        "user_id": actor.id,
        "name": _checked_name(name),
        "credential_id": made.credential_data.credential_id,
        "credential": bytes(made.credential_data),
        "sign_count": made.counter,
        "created_at": now,
    }
    try:
        async with ctx.database.transaction() as tx:
            await tx.execute(select(User.id).where(User.id == actor.id).with_for_update(key_share=True))
            if len((await tx.execute(select(Passkey.id).where(Passkey.user_id == actor.id))).all()) >= MOST:
                raise Conflict(f"There are {MOST} passkeys already. Remove one first.")
            await tx.execute(insert(Passkey).values(row))
            await tell_of_factor(tx, actor, "a passkey was added", now)
            return await first_codes(tx, actor, now)
    except IntegrityError:
        raise Conflict("This passkey is known already.") from None


async def remove_passkey(ctx: Context, actor: Actor, key: str) -> None:
    """Do without a passkey. With the last factor, the recovery codes go, too.

    Raises: NotFound, Forbidden.
    """
    actor.require_own_token()
    named = (Passkey.user_id == actor.id, Passkey.id == as_uuid(key))
    async with ctx.database.transaction() as tx:
        if (await tx.execute(delete(Passkey).where(*named))).rowcount != 1:
            raise NotFound("passkey")
        await tell_of_factor(tx, actor, "a passkey was removed", ctx.clock.now())
        await drop_codes_of_nothing(tx, actor.id)


def ask_for_passkey(ctx: Context, site: Site, browser: str) -> Challenge:
    """Ask a browser, named by what its form is bound to, to sign in. Whoever it is, the key itself will tell."""
    options, state = site.server().authenticate_begin(user_verification=UserVerificationRequirement.REQUIRED)
    return _challenge(ctx, options, state, browser)


async def sign_in_with_passkey(ctx: Context, site: Site, state: str, answer: str, browser: str) -> Actor:
    """Whose key it is, with every scope.

    Raises: Unauthorized, for whatever reason; AccountLocked for the right key.
    """
    try:
        opened = await _opened(ctx, state, browser)
        given = AuthenticationResponse.from_dict(json.loads(answer))
        credential_id = bytes(given.raw_id)
    except (InvalidParams, Forbidden, RateLimited, *_FAULTS):
        raise Unauthorized(_UNUSABLE) from None
    now = ctx.clock.now()
    columns = (Passkey.id, Passkey.credential, Passkey.sign_count, User.id, User.email, User.is_operator)
    statement = select(*columns).join(User, User.id == Passkey.user_id).where(Passkey.credential_id == credential_id)
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(statement.with_for_update(of=Passkey))).one_or_none()
        counter = None if row is None else _verified(site, opened, given, row[1])
        # A counter that does not grow is that of a copy; those that have none always say 0.
        if row is None or counter is None or (max(counter, row[2]) > 0 and counter <= row[2]):
            raise Unauthorized(_UNUSABLE)
        used = update(Passkey).where(Passkey.id == row[0])
        await tx.execute(used.values(sign_count=counter, last_used_at=now))
        await note_login(tx, ctx, row[3])
    return Actor(row[3], row[4], frozenset({Scope.GLOBAL}), is_operator=row[5])


def _registered(site: Site, state: Mapping[str, Any], answer: str) -> AuthenticatorData:
    try:
        return site.server().register_complete(state, json.loads(answer))
    except _FAULTS:
        raise InvalidParams(_UNUSABLE) from None


def _verified(site: Site, state: Mapping[str, Any], given: AuthenticationResponse, credential: bytes) -> int | None:
    """The key's counter, if it has signed the challenge."""
    try:
        site.server().authenticate_complete(state, [AttestedCredentialData(credential)], given)
    except _FAULTS:
        return None
    return given.response.authenticator_data.counter


def _challenge(ctx: Context, options: Mapping[str, Any], state: Mapping[str, Any], who: str) -> Challenge:
    until = int((ctx.clock.now() + _LIFE).timestamp())
    text = f"{state['challenge']}.{until}"
    mac = ctx.vault.sign(_PURPOSE, f"{text}.{who}".encode()).hex()
    return Challenge(dict(options["publicKey"]), f"{text}.{mac}")


async def _opened(ctx: Context, state: str, who: str) -> dict[str, Any]:
    """The challenge that we have given to this browser or user, for the one and only time.

    Raises: InvalidParams, RateLimited.
    """
    text, _, mac = state.rpartition(".")
    challenge, _, until = text.partition(".")
    try:
        good = ctx.vault.verify(_PURPOSE, f"{text}.{who}".encode(), bytes.fromhex(mac))
        # What is not signed may be any number, also one that is no time.
        over = not good or datetime.fromtimestamp(int(until), UTC) <= ctx.clock.now()
        websafe_decode(challenge)
    except ValueError:
        good, over = False, True
    if not good or over:
        raise InvalidParams(_UNUSABLE)
    await count(ctx, _ONCE, challenge)
    return {"challenge": challenge, "user_verification": UserVerificationRequirement.REQUIRED}


def _checked_name(text: str) -> str:
    name = " ".join(text.split()) or "A passkey"
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidParams(f"name: must have at most {LONGEST_NAME} characters, all of them visible.")
    return name
