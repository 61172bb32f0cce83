"""Builds what a process works with, from its settings. The only reader of `Settings` besides `server.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from broker.events.attempts import Send
from broker.kernel.ahead import follow
from broker.kernel.clock import AheadClock, SystemClock
from broker.kernel.context import Context, Rules
from broker.kernel.db import connect
from broker.kernel.secret import Secret
from broker.kernel.signals import Signals
from broker.kernel.vault import KeyRing, Vault
from broker.notices.letters import Post
from broker.outbound.http import GuardedClient
from broker.outbound.mailer import Nowhere, mailer
from broker.outbound.partner_api import PartnerApi
from broker.outbound.registry import Registry
from broker.outbound.webhook_sender import WebhookSender
from broker.payments.ports import Gateway, ReadNews
from broker.settings import Settings

_RECEIVER_LIMIT_BYTES: Final = 16 * 1024
"""What is read of a webhook receiver's answer before the connection is given up; only the status counts."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """The parts of one process."""

    settings: Settings
    context: Context
    registry: Registry
    send: Send
    post: Post = field(default_factory=Nowhere)
    gateway: Gateway | None = None
    """What invoices are paid through, if anything."""
    news: ReadNews | None = None


@asynccontextmanager
async def wired(settings: Settings) -> AsyncIterator[Wiring]:
    """Everything open, and closed again at the end."""
    database_url = settings.database_url.get_secret_value()
    database = connect(database_url, pool_size=settings.pool_size, pool_timeout_s=settings.pool_timeout_s)
    vault = Vault(KeyRing(settings.key_encryption_keys))
    signals = Signals(database_url)
    client = GuardedClient(
        settings.outbound_allow,
        limit_bytes=settings.partner_response_limit_bytes,
        timeout_s=settings.partner_timeout_s,
    )
    receivers = GuardedClient(
        settings.outbound_allow, limit_bytes=_RECEIVER_LIMIT_BYTES, timeout_s=settings.webhook_timeout_s
    )
    bank = GuardedClient(
        settings.outbound_allow,
        limit_bytes=settings.partner_response_limit_bytes,
        timeout_s=settings.payment_timeout_s,
    )
    await signals.start()
    try:
        clock = AheadClock(SystemClock()) if settings.test_clock else SystemClock()
        context = Context(database, clock, vault, signals, _rules(settings))
        registry = Registry(PartnerApi(client, settings.public_url))
        post = _mailer(settings)
        async with _following(context):
            yield Wiring(settings, context, registry, WebhookSender(receivers), post, *_payments(settings, bank))
    finally:
        await signals.stop()
        await client.close()
        await receivers.close()
        await bank.close()
        await database.close()


@asynccontextmanager
async def _following(ctx: Context) -> AsyncIterator[None]:
    """Where the clock can be set forward, keep up with it."""
    if not isinstance(ctx.clock, AheadClock):
        yield
        return
    task = asyncio.create_task(follow(ctx, ctx.clock), name="clock")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _rules(settings: Settings) -> Rules:
    return Rules(
        paid_plans_need_verification=settings.payment_gateway != "none",
        public_url=settings.public_url,
        contact=settings.contact,
        payout_hold=timedelta(seconds=settings.payout_hold_s),
        payout_reserve_bp=settings.payout_reserve_bp,
        payout_minimum_minor=settings.payout_minimum_minor,
    )


def _mailer(settings: Settings) -> Post:
    url = None if settings.smtp_url is None else Secret(settings.smtp_url.get_secret_value())
    return mailer(url, settings.mail_folder, settings.mail_from)


def _payments(settings: Settings, client: GuardedClient) -> tuple[Gateway | None, ReadNews | None]:
    if settings.payment_gateway == "none" or settings.stripe_key is None or settings.stripe_webhook_secrets is None:
        return None, None
    # The library takes half a second to load: only where there is a gateway.
    from broker.outbound.payment_news import StripeNews  # noqa: PLC0415 - see above
    from broker.outbound.payments import StripeGateway  # noqa: PLC0415 - see above

    key = Secret(settings.stripe_key.get_secret_value())
    secrets = [Secret(each.strip()) for each in settings.stripe_webhook_secrets.get_secret_value().split(",")]
    gateway = StripeGateway(settings.payment_gateway, key, client, settings.payment_gateway_url)
    return gateway, StripeNews([each for each in secrets if each.reveal()])
