"""Passkeys with an authenticator made of software: what is accepted once, and what never."""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

from broker.accounts.change import change_password
from broker.accounts.login import LoginThrottle, log_in
from broker.accounts.passkeys import (
    Challenge,
    Site,
    add_passkey,
    ask_for_passkey,
    begin_passkey,
    list_passkeys,
    remove_passkey,
    sign_in_with_passkey,
)
from broker.accounts.two_factor import RECOVERY_CODES, ask_for_codes, begin_app, confirm_app, get_factors, remove_app
from broker.kernel.context import Actor, Context
from broker.kernel.errors import BrokerError, Conflict, InvalidParams, NotFound, TwoFactorRequired, Unauthorized
from broker.kernel.secret import Secret
from tests.accounts.test_two_factor import PASSWORD, now_code
from tests.domain import StoppedClock

FLAG = AuthenticatorData.FLAG
PRESENT_AND_VERIFIED = FLAG.UP | FLAG.UV
BROWSER = "what the form is bound to"


@dataclass
class Key:
    """One passkey on one device."""

    origin: str = "https://broker.example.com"
    flags: Any = PRESENT_AND_VERIFIED
    counter: int = 0
    secret: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = field(default_factory=lambda: os.urandom(16))

    def made(self, options: Mapping[str, Any]) -> str:
        """The answer to a request for a new key."""
        credential = AttestedCredentialData.create(
            bytes(16), self.id, ES256.from_cryptography_key(self.secret.public_key())
        )
        data = self._data(options["rp"]["id"], FLAG.AT, bytes(credential))
        attested = AttestationObject.create("none", data, {})
        client = self._client(CollectedClientData.TYPE.CREATE, options["challenge"])
        return self._answer({"clientDataJSON": client, "attestationObject": bytes(attested)})

    def signed(self, options: Mapping[str, Any]) -> str:
        """The answer to a request for a signature."""
        data = self._data(options["rpId"])
        client = self._client(CollectedClientData.TYPE.GET, options["challenge"])
        signature = self.secret.sign(bytes(data) + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer({"clientDataJSON": client, "authenticatorData": bytes(data), "signature": signature})

    def _data(self, name: str, more: Any = 0, credential: bytes = b"") -> AuthenticatorData:
        digest = hashlib.sha256(name.encode()).digest()
        return AuthenticatorData.create(digest, self.flags | more, self.counter, credential)

    def _client(self, kind: CollectedClientData.TYPE, challenge: str) -> bytes:
        return bytes(CollectedClientData.create(kind, websafe_decode(challenge), self.origin))

    def _answer(self, response: Mapping[str, bytes]) -> str:
        encoded = {name: websafe_encode(value) for name, value in response.items()}
        named = {"id": websafe_encode(self.id), "rawId": websafe_encode(self.id), "type": "public-key"}
        return json.dumps({**named, "response": encoded, "clientExtensionResults": {}})


@pytest.fixture
def site() -> Site:
    found = Site.of("https://broker.example.com")
    assert found is not None
    return found


async def added(ctx: Context, actor: Actor, site: Site, key: Key) -> list[Secret]:
    asked = await begin_passkey(ctx, actor, site)
    return await add_passkey(ctx, actor, site, asked.state, key.made(asked.options), "My laptop")


async def signed_in(ctx: Context, site: Site, key: Key, asked: Challenge | None = None) -> Actor:
    asked = asked or ask_for_passkey(ctx, site, BROWSER)
    return await sign_in_with_passkey(ctx, site, asked.state, key.signed(asked.options), BROWSER)


@pytest.mark.parametrize(
    ("url", "name", "origin"),
    [
        ("https://broker.example.com", "broker.example.com", "https://broker.example.com"),
        ("http://127.0.0.1:5000", "localhost", "http://localhost:5000"),
        ("http://localhost:5000", "localhost", "http://localhost:5000"),
    ],
)
def test_passkeys_belong_to_the_name_of_the_installation(url: str, name: str, origin: str) -> None:
    assert Site.of(url) == Site(name, origin)
    assert Site.of("https://192.0.2.1") is None


async def test_a_passkey_is_both_factors_and_asks_programs_for_a_code(ctx: Context, alice: Actor, site: Site) -> None:
    key = Key()
    codes = await added(ctx, alice, site, key)
    assert len(codes) == RECOVERY_CODES
    assert (await signed_in(ctx, site, key)).id == alice.id
    [view] = await list_passkeys(ctx, alice)
    assert (view.name, view.last_used_at) == ("My laptop", ctx.clock.now())
    assert await added(ctx, alice, site, Key()) == [], "the codes are there"
    with pytest.raises(Conflict):
        await added(ctx, alice, site, key)
    await change_password(ctx, alice, PASSWORD, revoke_tokens=False)
    with pytest.raises(TwoFactorRequired):
        await log_in(ctx, LoginThrottle(), alice.email, PASSWORD)
    assert (await log_in(ctx, LoginThrottle(), alice.email, PASSWORD, codes[0])).id == alice.id


async def test_a_passkey_is_its_users_alone_and_opens_nothing_once_it_is_removed(
    ctx: Context, alice: Actor, mallory: Actor, site: Site
) -> None:
    key = Key()
    await added(ctx, alice, site, key)
    [view] = await list_passkeys(ctx, alice)
    with pytest.raises(NotFound):
        await remove_passkey(ctx, mallory, str(view.id))
    await remove_passkey(ctx, alice, str(view.id))
    assert not (await get_factors(ctx, alice)).is_on
    with pytest.raises(Unauthorized):
        await signed_in(ctx, site, key)


async def test_an_answer_is_good_once_for_one_browser_and_for_minutes(
    ctx: Context, alice: Actor, site: Site, clock: StoppedClock
) -> None:
    key = Key()
    await added(ctx, alice, site, key)
    asked = ask_for_passkey(ctx, site, BROWSER)
    answer = key.signed(asked.options)
    with pytest.raises(Unauthorized):
        await sign_in_with_passkey(ctx, site, asked.state, answer, "another browser")
    assert await sign_in_with_passkey(ctx, site, asked.state, answer, BROWSER)
    with pytest.raises(Unauthorized):
        await sign_in_with_passkey(ctx, site, asked.state, answer, BROWSER)
    late = ask_for_passkey(ctx, site, BROWSER)
    clock.advance(minutes=6)
    with pytest.raises(Unauthorized):
        await signed_in(ctx, site, key, late)


async def test_a_counter_that_does_not_grow_is_that_of_a_copy(ctx: Context, alice: Actor, site: Site) -> None:
    key = Key(counter=7)
    await added(ctx, alice, site, key)
    for counter, good in ((7, False), (8, True), (8, False), (6, False), (0, False), (9, True)):
        key.counter = counter
        came = await signed_in(ctx, site, key) if good else None
        if not good:
            with pytest.raises(Unauthorized):
                await signed_in(ctx, site, key)
        assert (came is not None) is good


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://evil.example"},
        {"flags": FLAG.UP},
        {"flags": FLAG.UV},
        {"secret": ec.generate_private_key(ec.SECP256R1())},
        {"id": b"unknown"},
    ],
    ids=["elsewhere", "not verified", "not present", "another key", "unknown"],
)
async def test_what_is_signed_elsewhere_or_by_nobody_opens_nothing(
    ctx: Context, alice: Actor, site: Site, wrong: dict[str, Any]
) -> None:
    key = Key()
    await added(ctx, alice, site, key)
    for name, value in wrong.items():
        setattr(key, name, value)
    with pytest.raises(Unauthorized):
        await signed_in(ctx, site, key)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"id": 1}',
        '{"rawId": "AA", "response": {}}',
        "\ud800",
        pytest.param("[" * 99999, id="deep"),
    ],
)
async def test_what_is_no_answer_is_refused(ctx: Context, alice: Actor, site: Site, answer: str) -> None:
    asked = ask_for_passkey(ctx, site, BROWSER)
    with pytest.raises(Unauthorized):
        await sign_in_with_passkey(ctx, site, asked.state, answer, BROWSER)
    new = await begin_passkey(ctx, alice, site)
    with pytest.raises(InvalidParams):
        await add_passkey(ctx, alice, site, new.state, answer, "x")
    for state in ("", "..", "a.b.c", "é.9.00", "a.99999999999999999.00", f"a.{'9' * 30}.00", asked.state + "0"):
        with pytest.raises(BrokerError):
            await add_passkey(ctx, alice, site, state, answer, "x")


async def test_commands_ask_for_no_codes_once_nothing_shows_any(ctx: Context, alice: Actor, site: Site) -> None:
    secret = base64.b64decode((await begin_app(ctx, alice)).reveal())
    await confirm_app(ctx, alice, now_code(ctx, secret).reveal())
    await added(ctx, alice, site, Key())
    await ask_for_codes(ctx, alice, wanted=True)
    await remove_app(ctx, alice)
    left = await get_factors(ctx, alice)
    assert (left.is_on, left.asks_for_codes, left.recovery_left) == (True, False, RECOVERY_CODES)
