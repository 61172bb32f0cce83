"""The worker: runs "advance operation X" jobs from the queue, and looks for operations that nobody drives any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final
from uuid import UUID

import procrastinate
import structlog
from sqlalchemy.exc import SQLAlchemyError

from broker.addons.advance import advance
from broker.addons.gate import Limits
from broker.addons.sweep import sweep
from broker.addons.work import ADVANCE
from broker.kernel.db import libpq_url
from broker.kernel.errors import BrokerError
from broker.kernel.jobs import QUEUE
from broker.settings import Settings
from broker.wiring import Wiring

_SWEEP_EVERY_S: Final = 5.0
_POLL_S: Final = 1.0
_DRAIN_S: Final = 8.0
_log = structlog.get_logger()


def queue_app(wiring: Wiring) -> procrastinate.App:
    """The queue with its one task, on a small pool of its own."""
    url = libpq_url(wiring.settings.database_url.get_secret_value())
    connector = procrastinate.PsycopgConnector(conninfo=url, min_size=1, max_size=4)
    app = procrastinate.App(connector=connector)

    limits = _limits(wiring.settings)

    @app.task(name=ADVANCE)
    async def advance_operation(operation_id: str) -> None:
        await advance(wiring.context, wiring.registry.provisioner_for, UUID(operation_id), limits)

    return app


def _limits(settings: Settings) -> Limits:
    return Limits(
        concurrency=settings.provider_concurrency,
        per_second=settings.provider_rate_per_s,
        burst=settings.provider_burst,
        faults_to_open=settings.circuit_faults,
        first_pause=timedelta(seconds=settings.circuit_pause_s),
        longest_pause=timedelta(seconds=settings.circuit_longest_pause_s),
    )


async def run(wiring: Wiring) -> None:
    """Work until cancelled; calls that are under way get a few seconds to end."""
    app = queue_app(wiring)
    async with app.open_async(), _sweeping(wiring):
        await app.run_worker_async(
            queues=[QUEUE],
            concurrency=wiring.settings.worker_concurrency,
            fetch_job_polling_interval=_POLL_S,
            delete_jobs="always",
            install_signal_handlers=False,
            shutdown_graceful_timeout=_DRAIN_S,
        )


@asynccontextmanager
async def _sweeping(wiring: Wiring) -> AsyncIterator[None]:
    task = asyncio.create_task(_sweep_for_ever(wiring), name="sweep")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _sweep_for_ever(wiring: Wiring) -> None:
    while True:
        try:
            revived = await sweep(wiring.context)
            if revived:
                _log.warning("operations.revived", count=revived)
        except (SQLAlchemyError, OSError, BrokerError) as error:
            _log.error("operations.sweep_failed", error=type(error).__name__)
        await asyncio.sleep(_SWEEP_EVERY_S)
