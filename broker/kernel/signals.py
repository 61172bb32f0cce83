"""Waiting for something to be committed elsewhere: PostgreSQL LISTEN/NOTIFY, one connection per process for all waiters."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy import Text, bindparam, func, select

from broker.kernel.db import Tx, libpq_url
from broker.kernel.direct import Direct

CHANNEL: Final = "broker_signal"
_NOTIFY: Final = Direct(select(func.pg_notify(CHANNEL, bindparam("subject", type_=Text))))
_RECONNECT_S: Final = 0.5
_log = structlog.get_logger()


async def notify(tx: Tx, subject: UUID) -> None:
    """Tell every waiter for `subject`, on any machine, once this transaction has committed."""
    await _NOTIFY.all(tx, subject=str(subject))


class Signals:
    """The listening side. Waiters hold no database connection; a lost one is made again and wakes every waiter once."""

    def __init__(self, database_url: str) -> None:
        self._url = libpq_url(database_url)
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self.over = False
        """Whether the process is about to end: nothing is waited for any more."""

    async def start(self) -> None:
        """Begin to listen; returns when the subscription stands."""
        self._task = asyncio.create_task(self._listen(), name="signals")
        await self._ready.wait()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def let_go(self) -> None:
        """Wake every waiter for the last time, so that each can answer with what is true by now."""
        self.over = True
        self._wake_all()

    @asynccontextmanager
    async def subscribe(self, subject: UUID) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever `subject` is notified. Subscribe before the commit that leads to the notice."""
        event = asyncio.Event()
        key = str(subject)
        self._waiting[key].add(event)
        try:
            yield event
        finally:
            self._waiting[key].discard(event)
            if not self._waiting[key]:
                del self._waiting[key]

    def _on_notice(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        for event in self._waiting.get(str(payload), ()):
            event.set()

    def _wake_all(self) -> None:
        for events in self._waiting.values():
            for event in events:
                event.set()

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.warning("signals.lost", error=type(error).__name__)
            await asyncio.sleep(_RECONNECT_S)

    async def _listen_once(self) -> None:
        connection = await asyncpg.connect(
            self._url, timeout=10, server_settings={"application_name": "broker-signals"}
        )
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _connection: closed.set())
        try:
            await connection.add_listener(CHANNEL, self._on_notice)
            self._ready.set()
            self._wake_all()
            await closed.wait()
        finally:
            connection.terminate()
