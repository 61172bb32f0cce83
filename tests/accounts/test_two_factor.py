"""The second factor on a real database: codes once, brakes that lock no owner out, recovery, and what is told."""

import asyncio
import base64
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from broker.accounts.authorizations import CreateAuthorization, create_authorization
from broker.accounts.change import change_password
from broker.accounts.devices import device_of, new_device
from broker.accounts.halfway import whole_way
from broker.accounts.login import ATTEMPTS, FROM_ONE_PLACE, LoginThrottle, check_password, log_in
from broker.accounts.models import User
from broker.accounts.passwords import hash_password
from broker.accounts.pre_authorizations import asks_for_codes, pre_authorize, require_code
from broker.accounts.proof_models import Authenticator, RecoveryCode
from broker.accounts.totp import as_uri, code_at, fitting_step, step_of
from broker.accounts.two_factor import (
    GUESSES,
    RECOVERY_CODES,
    ask_for_codes,
    begin_app,
    check_code,
    confirm_app,
    get_factors,
    remove_app,
    renew_codes,
)
from broker.apps.create import CreateApp, create_app
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Conflict, InvalidParams, RateLimited, TwoFactorRequired, Unauthorized
from broker.kernel.origin import Origin, bound_origin
from broker.kernel.secret import Secret
from broker.notices.models import Notice
from tests.domain import new_user

PASSWORD = Secret("several words make a good one")


def now_code(ctx: Context, secret: bytes, steps: int = 0) -> Secret:
    return Secret(code_at(secret, step_of(ctx.clock.now()) + steps))


async def turned_on(ctx: Context, actor: Actor) -> tuple[bytes, list[Secret]]:
    """An account with an app, and a clock that has gone on since: its secret, and the recovery codes."""
    async with ctx.database.transaction() as tx:
        hashed = await hash_password(PASSWORD)
        await tx.execute(update(User).where(User.id == actor.id).values(password_hash=hashed))
    secret = base64.b64decode((await begin_app(ctx, actor)).reveal())
    codes = await confirm_app(ctx, actor, now_code(ctx, secret).reveal())
    clock: Any = ctx.clock
    clock.advance(minutes=2)
    return secret, codes


async def notices(ctx: Context) -> list[str]:
    async with ctx.database.transaction() as tx:
        return list((await tx.execute(select(Notice.kind).order_by(Notice.created_at, Notice.id))).scalars())


def test_the_codes_are_those_of_the_standard() -> None:
    """RFC 6238, appendix B, cut to six digits."""
    secret = b"12345678901234567890"
    assert [code_at(secret, at // 30) for at in (59, 1111111109, 1234567890, 20000000000)] == [
        "287082",
        "081804",
        "005924",
        "353130",
    ]
    assert as_uri(secret, "a b@example.com", "Addon Broker").startswith(
        "otpauth://totp/Addon%20Broker:a%20b%40example.com?secret=GEZDGNBVGY3TQOJQ"
    )


@pytest.mark.parametrize(("off", "fits"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_one_step_off(off: int, fits: bool, ctx: Context) -> None:
    secret, now = b"s" * 20, ctx.clock.now()
    code = code_at(secret, step_of(now) + off)
    assert (fitting_step(secret, f"{code[:3]} {code[3:]}", now, after=0) is not None) is fits
    assert fitting_step(secret, code, now, after=step_of(now) + off) is None


async def test_an_app_is_on_only_after_a_code_of_it_and_its_secret_is_sealed(ctx: Context, alice: Actor) -> None:
    secret = base64.b64decode((await begin_app(ctx, alice)).reveal())
    assert base64.b64decode((await begin_app(ctx, alice)).reveal()) == secret, "the page may be loaded again"
    assert not (await get_factors(ctx, alice)).is_on
    with pytest.raises(InvalidParams):
        await confirm_app(ctx, alice, "000000")
    codes = await confirm_app(ctx, alice, now_code(ctx, secret).reveal())
    assert len({code.reveal() for code in codes}) == RECOVERY_CODES
    async with ctx.database.transaction() as tx:
        stored = repr((await tx.execute(select(Authenticator.__table__))).all())
        stored += repr((await tx.execute(select(RecoveryCode.__table__))).all())
    assert repr(secret)[2:-1] not in stored
    assert not any(code.reveal() in stored for code in codes)
    with pytest.raises(Conflict):
        await begin_app(ctx, alice)
    assert await notices(ctx) == ["two_factor.changed"]


async def test_a_code_is_good_once_and_not_after_a_later_one(ctx: Context, alice: Actor) -> None:
    secret, _ = await turned_on(ctx, alice)
    early, code = now_code(ctx, secret, -1), now_code(ctx, secret)
    await check_code(ctx, alice.id, alice.email, code)
    for used in (code, early):
        with pytest.raises(TwoFactorRequired):
            await check_code(ctx, alice.id, alice.email, used)
    await check_code(ctx, alice.id, alice.email, now_code(ctx, secret, 1))


async def test_a_recovery_code_is_good_once_however_it_is_typed_and_new_ones_void_it(
    ctx: Context, alice: Actor
) -> None:
    _, codes = await turned_on(ctx, alice)
    typed = Secret(codes[0].reveal().upper().replace("-", " "))
    await check_code(ctx, alice.id, alice.email, typed)
    assert (await get_factors(ctx, alice)).recovery_left == RECOVERY_CODES - 1
    with pytest.raises(TwoFactorRequired):
        await check_code(ctx, alice.id, alice.email, codes[0])
    fresh = await renew_codes(ctx, alice)
    with pytest.raises(TwoFactorRequired):
        await check_code(ctx, alice.id, alice.email, codes[1])
    await check_code(ctx, alice.id, alice.email, fresh[1])


async def test_guessing_is_braked_tells_the_owner_and_locks_no_known_device_out(
    ctx: Context, alice: Actor, clock: Any
) -> None:
    secret, _ = await turned_on(ctx, alice)
    for _ in range(GUESSES.most):
        with pytest.raises(TwoFactorRequired):
            await check_code(ctx, alice.id, alice.email, Secret("000000"))
    with pytest.raises(RateLimited):
        await check_code(ctx, alice.id, alice.email, now_code(ctx, secret))
    assert (await notices(ctx))[-1] == "two_factor.guessed"
    device = device_of(ctx.vault, alice.id, new_device(ctx.vault, alice.id))
    await check_code(ctx, alice.id, alice.email, now_code(ctx, secret), device)
    clock.advance(seconds=GUESSES.window.total_seconds())
    await check_code(ctx, alice.id, alice.email, now_code(ctx, secret))


async def test_whoever_guesses_passwords_does_not_lock_a_known_browser_out(ctx: Context, alice: Actor) -> None:
    await turned_on(ctx, alice)
    throttle, device = LoginThrottle(), new_device(ctx.vault, alice.id)
    for _ in range(12):
        with pytest.raises((Unauthorized, RateLimited)):
            await check_password(ctx, throttle, alice.email, Secret("guess"))
    with pytest.raises(RateLimited):
        await check_password(ctx, throttle, alice.email, PASSWORD)
    assert (await check_password(ctx, throttle, alice.email, PASSWORD, device)).needs_code


async def test_who_signs_in_between_guesses_goes_on_being_counted(ctx: Context, alice: Actor, mallory: Actor) -> None:
    await change_password(ctx, mallory, PASSWORD, revoke_tokens=False)
    throttle, device = LoginThrottle(), new_device(ctx.vault, mallory.id)
    with bound_origin(Origin("192.0.2.9")):
        for number in range(FROM_ONE_PLACE):
            throttle.begin("from 192.0.2.9", ctx.clock.now(), FROM_ONE_PLACE)
            if number == 0:
                await check_password(ctx, throttle, mallory.email, PASSWORD, device)
        with pytest.raises(RateLimited):
            await check_password(ctx, throttle, alice.email, Secret("guess"))


async def test_what_is_typed_as_an_address_uses_up_no_place(ctx: Context, alice: Actor) -> None:
    await change_password(ctx, alice, PASSWORD, revoke_tokens=False)
    throttle = LoginThrottle()
    for _ in range(ATTEMPTS):
        with pytest.raises(Unauthorized):
            await check_password(ctx, throttle, "from 192.0.2.9", Secret("guess"))
    throttle.check("from 192.0.2.9", ctx.clock.now(), most=1)
    with bound_origin(Origin("192.0.2.9")):
        assert (await check_password(ctx, throttle, alice.email, PASSWORD)).id == alice.id


async def test_what_is_kept_half_way_can_not_be_made_up(ctx: Context, alice: Actor) -> None:
    for text in ("", "..", f"{alice.id}.99999999999999999.00", f"{alice.id}.{'9' * 30}.00", f"{alice.id}.é.zz"):
        with pytest.raises(Unauthorized):
            await whole_way(ctx, Secret(text), Secret("123456"), None)


async def test_a_device_is_known_for_its_own_user_alone_and_can_not_be_made_up(
    ctx: Context, alice: Actor, mallory: Actor
) -> None:
    cookie = new_device(ctx.vault, mallory.id)
    assert device_of(ctx.vault, mallory.id, cookie)
    assert device_of(ctx.vault, alice.id, cookie) is None
    forged = cookie.reveal().replace(str(mallory.id), str(alice.id))
    for text in (forged, f"{alice.id}.0.00", "", "é", f"{alice.id}.x.zz"):
        assert device_of(ctx.vault, alice.id, Secret(text)) is None


async def test_programs_bring_the_code_with_the_password(ctx: Context, alice: Actor) -> None:
    secret, _ = await turned_on(ctx, alice)
    with pytest.raises(TwoFactorRequired):
        await log_in(ctx, LoginThrottle(), alice.email, PASSWORD)
    with pytest.raises(Unauthorized):
        await log_in(ctx, LoginThrottle(), alice.email, Secret("wrong"), now_code(ctx, secret))
    actor = await log_in(ctx, LoginThrottle(), alice.email, PASSWORD, now_code(ctx, secret))
    assert actor.id == alice.id
    await remove_app(ctx, alice)
    assert (await get_factors(ctx, alice)).recovery_left == 0
    assert await log_in(ctx, LoginThrottle(), alice.email, PASSWORD)


async def test_who_asks_for_codes_is_asked_before_something_is_destroyed(ctx: Context, alice: Actor) -> None:
    with pytest.raises(Conflict):
        await ask_for_codes(ctx, alice, wanted=True)
    secret, _ = await turned_on(ctx, alice)
    shop = await create_app(ctx, alice, CreateApp("shop"))
    assert not await asks_for_codes(ctx, alice)
    await ask_for_codes(ctx, alice, wanted=True)
    assert await asks_for_codes(ctx, alice)
    with pytest.raises(TwoFactorRequired) as refused:
        await require_code(ctx, alice, shop.id, "shop", None)
    assert refused.value.fields["app"]["name"] == "shop"
    await require_code(ctx, alice, shop.id, "shop", now_code(ctx, secret))
    with pytest.raises(TwoFactorRequired):
        await pre_authorize(ctx, alice, shop.id, now_code(ctx, secret))


async def test_guesses_with_a_token_close_neither_the_door_nor_other_tokens(ctx: Context, alice: Actor) -> None:
    secret, _ = await turned_on(ctx, alice)
    shop = await create_app(ctx, alice, CreateApp("shop"))
    thief, mine = [await with_token(ctx, alice) for _ in range(2)]
    for _ in range(GUESSES.most):
        with pytest.raises(TwoFactorRequired):
            await pre_authorize(ctx, thief, shop.id, Secret("000000"))
    with pytest.raises(RateLimited):
        await require_code(ctx, thief, shop.id, "shop", now_code(ctx, secret))
    told = await notices(ctx)
    assert (told[-1], "two_factor.guessed" in told) == ("two_factor.guessed_with_token", False)
    await pre_authorize(ctx, mine, shop.id, now_code(ctx, secret))
    await check_code(ctx, alice.id, alice.email, now_code(ctx, secret, 1))


async def test_whoever_makes_token_after_token_to_guess_with_is_stopped(ctx: Context, alice: Actor) -> None:
    await turned_on(ctx, alice)
    shop = await create_app(ctx, alice, CreateApp("shop"))
    for _ in range(4):
        thief = await with_token(ctx, alice)
        for _ in range(GUESSES.most):
            with pytest.raises(TwoFactorRequired):
                await pre_authorize(ctx, thief, shop.id, Secret("000000"))
    with pytest.raises(RateLimited):
        await pre_authorize(ctx, await with_token(ctx, alice), shop.id, Secret("000000"))


async def with_token(ctx: Context, actor: Actor) -> Actor:
    """The actor as it comes with a new token."""
    return replace(actor, authorization_id=(await create_authorization(ctx, actor, CreateAuthorization())).id)


async def test_two_that_bring_the_same_code_at_the_same_moment_are_not_both_let_in(live_ctx: Context) -> None:
    user = await new_user(live_ctx, "live@example.com")
    secret, codes = await turned_on(live_ctx, user)
    for code in (now_code(live_ctx, secret), codes[0]):
        tries = (check_code(live_ctx, user.id, user.email, code) for _ in range(2))
        came = await asyncio.gather(*tries, return_exceptions=True)
        assert sorted(type(one).__name__ for one in came) == ["NoneType", "TwoFactorRequired"]
