"""The worker: runs jobs such as "advance operation X" from the queue, and looks for what is due and nobody drives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import procrastinate
import psycopg
import structlog
from procrastinate.exceptions import ConnectorException
from sqlalchemy.exc import SQLAlchemyError

from broker.addons.advance import advance
from broker.addons.credentials import LEND
from broker.addons.follow_account import follow_account
from broker.addons.gate import Limits
from broker.addons.generations import REVOKE
from broker.addons.lend import lend
from broker.addons.orphans import REAP
from broker.addons.reap import reap
from broker.addons.reconcile import reconcile
from broker.addons.reconcile_runs import RECONCILE
from broker.addons.revoke import revoke
from broker.addons.work import ADVANCE, LEASE
from broker.chores import keep_books, keep_shelves, look_around
from broker.clock_steps import step_forward
from broker.events.deliver import deliver
from broker.events.emit import DELIVER
from broker.faces.mails.letters import Letters
from broker.faces.webhook_payloads import WebhookPayloads
from broker.kernel.ahead import SUBJECT
from broker.kernel.context import Context
from broker.kernel.db import libpq_url
from broker.kernel.errors import BrokerError
from broker.kernel.jobs import QUEUE, WEBHOOKS
from broker.notices.outbox import SEND
from broker.notices.send import send_notice
from broker.payments.delinquency import FOLLOW
from broker.payments.look_back import look_back
from broker.payments.methods import FORGET, forget
from broker.payments.pay import pay
from broker.payments.ports import Gateway
from broker.payments.refunds import REFUND, refund
from broker.payments.setups import SETUP, advance_setup
from broker.payments.start import LOOK_BACK, PAY
from broker.settings import Settings
from broker.wiring import Wiring

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a worker looks and how long it waits. Units: seconds."""

    sweep_s: float = 5.0
    poll_s: float = 1.0
    drain_s: float = 8.0
    """For calls that are under way when it is told to stop."""
    again_s: float = 1.0
    """Before it begins anew when it has lost its database."""
    shelves_s: float = 300.0
    """Between two counts of what is popular in the marketplace."""
    lease_s: float = LEASE.total_seconds()


USUAL: Final = Pace()
_CONNECTED_WITHIN_S: Final = 10.0
"""After this the queue counts as lost."""


def queue_app(wiring: Wiring, pace: Pace = USUAL) -> procrastinate.App:
    """The queue with its tasks, on a small pool of its own."""
    url = libpq_url(wiring.settings.database_url.get_secret_value())
    names = {"application_name": "broker-worker"}
    connector = procrastinate.PsycopgConnector(
        conninfo=url, min_size=1, max_size=4, timeout=_CONNECTED_WITHIN_S, kwargs=names
    )
    app = procrastinate.App(connector=connector)
    limits, lease = _limits(wiring.settings), timedelta(seconds=pace.lease_s)

    @app.task(name=ADVANCE)
    async def advance_operation(operation_id: str) -> None:
        await advance(wiring.context, wiring.registry.provisioner_for, UUID(operation_id), limits, lease)

    @app.task(name=REAP)
    async def reap_orphan(orphan_id: str, attempt: int) -> None:
        await reap(wiring.context, wiring.registry.provisioner_for, UUID(orphan_id), attempt, limits)

    @app.task(name=REVOKE)
    async def revoke_old(rotation_id: str, attempt: int) -> None:
        await revoke(wiring.context, wiring.registry.provisioner_for, UUID(rotation_id), attempt, limits)

    @app.task(name=LEND)
    async def lend_login(credential_id: str, attempt: int) -> None:
        await lend(wiring.context, wiring.registry.provisioner_for, UUID(credential_id), attempt, limits)

    @app.task(name=FOLLOW)
    async def follow(account_id: str) -> None:
        await follow_account(wiring.context, UUID(account_id))

    @app.task(name=RECONCILE)
    async def do_reconcile(run_id: str) -> None:
        await reconcile(wiring.context, wiring.registry.provisioner_for, UUID(run_id), limits)

    payloads = WebhookPayloads(wiring.settings.public_url)

    @app.task(name=DELIVER)
    async def deliver_event(webhook_id: str) -> None:
        await deliver(wiring.context, payloads, wiring.send, UUID(webhook_id))

    letters = Letters(wiring.settings.public_url)

    @app.task(name=SEND)
    async def send_mail(notice_id: str) -> None:
        await send_notice(wiring.context, letters, wiring.post, UUID(notice_id))

    if wiring.gateway is not None:
        _add_payments(app, wiring.context, wiring.gateway)
    return app


def _add_payments(app: procrastinate.App, ctx: Context, gateway: Gateway) -> None:
    @app.task(name=PAY)
    async def go_on_paying(payment_id: str) -> None:
        await pay(ctx, gateway, UUID(payment_id))

    @app.task(name=LOOK_BACK)
    async def look_at_payment(payment_id: str) -> None:
        await look_back(ctx, gateway, UUID(payment_id))

    @app.task(name=SETUP)
    async def go_on_adding(setup_id: str) -> None:
        await advance_setup(ctx, gateway, UUID(setup_id))

    @app.task(name=REFUND)
    async def go_on_refunding(refund_id: str) -> None:
        await refund(ctx, gateway, UUID(refund_id))

    @app.task(name=FORGET)
    async def forget_method(method_id: str) -> None:
        await forget(ctx, gateway, UUID(method_id))


def _limits(settings: Settings) -> Limits:
    return Limits(
        concurrency=settings.provider_concurrency,
        per_second=settings.provider_rate_per_s,
        burst=settings.provider_burst,
        faults_to_open=settings.circuit_faults,
        first_pause=timedelta(seconds=settings.circuit_pause_s),
        longest_pause=timedelta(seconds=settings.circuit_longest_pause_s),
    )


async def run(wiring: Wiring, pace: Pace = USUAL) -> None:
    """Work until cancelled, whatever becomes of the database; calls that are under way get a few seconds to end."""
    async with _sweeping(wiring, pace):
        while True:
            try:
                await _work(wiring, pace)
            except (ConnectorException, psycopg.Error, OSError) as error:
                _log.warning("worker.lost_database", error=type(error).__name__)
            await asyncio.sleep(pace.again_s)


async def _work(wiring: Wiring, pace: Pace) -> None:
    """Work until cancelled or until the queue is lost: its library ends then, in one way or another."""
    app, settings = queue_app(wiring, pace), wiring.settings
    places = {QUEUE: settings.worker_concurrency, WEBHOOKS: settings.webhook_concurrency}
    async with app.open_async():
        queues = [asyncio.create_task(_work_on(app, queue, places[queue], pace)) for queue in places]
        try:
            ended, _ = await asyncio.wait(queues, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in queues:
                task.cancel()
            await asyncio.gather(*queues, return_exceptions=True)
        for task in ended:
            task.result()


async def _work_on(app: procrastinate.App, queue: str, places: int, pace: Pace) -> None:
    await app.run_worker_async(
        queues=[queue],
        concurrency=places,
        fetch_job_polling_interval=pace.poll_s,
        delete_jobs="always",
        install_signal_handlers=False,
        shutdown_graceful_timeout=pace.drain_s,
    )


@asynccontextmanager
async def _sweeping(wiring: Wiring, pace: Pace) -> AsyncIterator[None]:
    tasks = [
        asyncio.create_task(_sweep_for_ever(wiring, pace), name="sweep"),
        asyncio.create_task(_keep_books_for_ever(wiring, pace), name="books"),
        asyncio.create_task(_keep_shelves_for_ever(wiring, pace), name="shelves"),
    ]
    if wiring.settings.test_clock:
        tasks.append(asyncio.create_task(_set_clock_for_ever(wiring, pace), name="clock"))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def _sweep_for_ever(wiring: Wiring, pace: Pace) -> None:
    while True:
        try:
            await look_around(wiring)
        except (SQLAlchemyError, OSError, BrokerError) as error:
            _log.error("operations.sweep_failed", error=type(error).__name__)
        await asyncio.sleep(pace.sweep_s)


async def _keep_books_for_ever(wiring: Wiring, pace: Pace) -> None:
    """Beside the sweep, because it may take longer."""
    while True:
        try:
            more = await keep_books(wiring)
        except Exception as error:  # whatever is wrong with one account's books, the others need their worker
            _log.exception("billing.sweep_failed", error=type(error).__name__)
            more = False
        await asyncio.sleep(0 if more else pace.sweep_s)


async def _set_clock_for_ever(wiring: Wiring, pace: Pace) -> None:
    """Where the clock can be set forward, do so when it is asked for."""
    async with wiring.context.signals.subscribe(SUBJECT) as aimed:
        while True:
            aimed.clear()
            try:
                while await step_forward(wiring):
                    pass
            except Exception as error:  # as above: the time must go on, and what is wrong is told
                _log.exception("clock.step_failed", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(aimed.wait(), pace.sweep_s)


async def _keep_shelves_for_ever(wiring: Wiring, pace: Pace) -> None:
    """Keep the marketplace's search and figures true."""
    while True:
        more = False
        try:
            more = await keep_shelves(wiring)
        except (SQLAlchemyError, OSError) as error:
            _log.error("marketplace.sweep_failed", error=type(error).__name__)
        await asyncio.sleep(0 if more else pace.shelves_s)
