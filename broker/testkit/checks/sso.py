"""Single sign-on: right forms let a user in, old, forged and empty ones do not."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from uuid import UUID, uuid4

from broker.catalog.manifest_sign_on import SignOnMode
from broker.testkit import tokens
from broker.testkit.checks.judging import told
from broker.testkit.exchange import Exchange
from broker.testkit.probe import Probe, Resource
from broker.testkit.registry import check
from broker.testkit.results import Failed, Skipped, Warned

_STALE_S = 6 * 60
_LET_IN = (200, 301, 302, 303, 307)


@check("sso", "A signed form signs the user in.")
async def signed(probe: Probe) -> str:
    resource = await _subject(probe)
    exchange = await _sign_on(probe, _form(probe, resource))
    if exchange.status not in _LET_IN:
        raise Failed(
            f"With all three tokens right {told(exchange)}. Compare with the formulas: SHA1 of uuid:salt:timestamp, "
            "SHA256 of uuid:salt:timestamp:user_id:email, lower-case hex; the clocks must agree."
        )
    return await _which_are_verified(probe, resource)


async def _which_are_verified(probe: Probe, resource: Resource) -> str:
    """Tried by forging each alone."""
    sent = [name for name in tokens.TOKENS if not probe.subject.signs_on_by_get or name == "token"]
    verified = []
    for name in sent:
        exchange = await _sign_on(probe, {**_form(probe, resource), name: secrets.token_hex(20)})
        if exchange.status not in _LET_IN:
            verified.append(name)
    del probe.recent[1:]
    return f"Verified: {', '.join(verified)}." if verified else ""


@check("sso", "The page to which a sign-on leads opens.")
async def opens(probe: Probe) -> str:
    resource = await _admitting(probe)
    exchange = await probe.browse(tokens.request(probe.subject, _form(probe, resource)), follow=True)
    if exchange.status in _LET_IN[1:]:
        raise Skipped("It leads to another origin.")
    if exchange.status >= 400:
        raise Failed(f"After the sign-on {told(exchange)} to the browser. Is the session kept in a cookie?")
    return f"Opened after {len(probe.recent)} requests."


@check("sso", "A form that is six minutes old is refused with 403.")
async def stale(probe: Probe) -> None:
    resource = await _admitting(probe)
    form = tokens.form(probe.subject, *_ids(resource), probe.next_timestamp() - _STALE_S)
    _must_be_refused(await _sign_on(probe, form), "Compare the timestamp with the clock: five minutes are the most.")


@check("sso", "A form with forged tokens is refused with 403.")
async def forged(probe: Probe) -> None:
    resource = await _admitting(probe)
    form = tokens.form(probe.subject, *_ids(resource), probe.next_timestamp())
    lengths = {name: len(form[name]) // 2 for name in tokens.TOKENS}
    forged = {name: secrets.token_hex(length) for name, length in lengths.items()}
    _must_be_refused(await _sign_on(probe, {**form, **forged}), "Compute the token and compare it.")


@check("sso", "A form without any token is refused with 403.")
async def without_tokens(probe: Probe) -> None:
    resource = await _admitting(probe)
    form = {name: value for name, value in _form(probe, resource).items() if name not in tokens.TOKENS}
    _must_be_refused(await _sign_on(probe, form), "A missing token is a wrong one.")


@check("sso", "A form whose tokens are for another resource is refused with 403.")
async def of_another(probe: Probe) -> None:
    resource = await _admitting(probe)
    form = _form(probe, resource)
    others = [one for one in probe.resources if one.may_exist and one is not resource and one.exchange is not None]
    theirs = _ids(others[0]) if others else (str(nobody := uuid4()), nobody)
    foreign = tokens.form(probe.subject, *theirs, int(form["timestamp"]))
    wrong = {name: foreign[name] for name in tokens.TOKENS}
    _must_be_refused(await _sign_on(probe, {**form, **wrong}), "The token must be for the resource that is opened.")


@check("sso", "A form is good for one sign-on.")
async def replayed(probe: Probe) -> None:
    resource = await _admitting(probe)
    form = _form(probe, resource)
    first = await _sign_on(probe, form)
    if first.status not in _LET_IN:
        raise Failed(f"A fresh form was refused: {told(first)}. Signing on several times in a row must be possible.")
    if (await _sign_on(probe, form)).status in _LET_IN:
        raise Warned("The same form let in twice: who finds it within five minutes gets in. Remember used ones.")


@check("sso", "A form of one user does not let in another.")
async def other_user(probe: Probe) -> None:
    resource = await _admitting(probe)
    if probe.subject.signs_on_by_get:
        raise Skipped("The oldest protocol has no token that is bound to a user.")
    form = {**_form(probe, resource), "user_id": tokens.MALLORY.id, "email": tokens.MALLORY.email}
    if (await _sign_on(probe, form)).status in _LET_IN:
        raise Warned(
            "With another user_id and email it let in, too. Verify user_scoped_resource_token, which binds them."
        )


@check("sso", "A sign-on to a resource that does not exist is refused.")
async def to_nothing(probe: Probe) -> None:
    await _admitting(probe)
    nowhere = uuid4()
    exchange = await _sign_on(probe, tokens.form(probe.subject, str(nowhere), nowhere, probe.next_timestamp()))
    if not 400 <= exchange.status < 500:
        raise Failed(f"Instead of 404 {told(exchange)}. Answer 404 with a page that says so.")


async def _subject(probe: Probe) -> Resource:
    if probe.subject.manifest.sign_on.mode is SignOnMode.OIDC:
        raise Skipped("Users are signed on by OpenID Connect, and not by the form.")
    if probe.subject.sso_url is None or probe.subject.manifest.sso_salt is None:
        raise Skipped("The manifest has no sso_url and sso_salt, and so no dashboard.")
    return await probe.main()


async def _admitting(probe: Probe) -> Resource:
    """For checks of refusals: where nobody is let in at all, they would say nothing."""
    resource = await _subject(probe)
    known = [one for one in probe.exchanges if _is_sign_on(probe, one)]
    first = known[0] if known else await _sign_on(probe, _form(probe, resource))
    if first.status not in _LET_IN:
        raise Skipped("A right form was refused.")
    if not known:
        probe.recent.clear()
    return resource


def _is_sign_on(probe: Probe, exchange: Exchange) -> bool:
    url = exchange.request.url.partition("?")[0]
    return bool(exchange.request.form) or (
        probe.subject.signs_on_by_get and url.startswith(probe.subject.sso_url or "")
    )


def _form(probe: Probe, resource: Resource) -> dict[str, str]:
    return tokens.form(probe.subject, *_ids(resource), probe.next_timestamp())


def _ids(resource: Resource) -> tuple[str, UUID]:
    return resource.provider_id or str(resource.uuid), resource.uuid


async def _sign_on(probe: Probe, form: Mapping[str, str]) -> Exchange:
    return await probe.browse(tokens.request(probe.subject, form))


def _must_be_refused(exchange: Exchange, advice: str) -> None:
    if exchange.status == 403:
        return
    if 400 <= exchange.status < 500:
        raise Warned(f"It is refused, but {told(exchange)} instead of 403.")
    raise Failed(f"Instead of 403 {told(exchange)}. {advice}")
