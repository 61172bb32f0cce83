"""Rotating the key-encryption key while the broker runs: every wrapped data key is re-wrapped under the primary one."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Table, select, update

from broker.kernel.context import Context
from broker.kernel.db import Tx, again_on_deadlock
from broker.kernel.files import replaced
from broker.kernel.vault import KEY_BYTES
from broker.metadata import metadata

_BATCH: Final = 200

IN_FLIGHT: Final = timedelta(seconds=10)
"""Within this, whatever was wrapped under the old key before the new one could be seen is committed or has failed."""


class RotationRunning(Exception):
    """Another rotation works on the same key file."""


async def rotate_file(ctx: Context, path: Path, *, in_flight: timedelta = IN_FLIGHT) -> int:
    """Put a fresh key into the key file, bring every data key under it, retire the old ones; the number that moved.

    Raises: RotationRunning. After a crash at any line, running it again completes it.
    """
    with _alone(path):
        _add_key(path)
        moved = await rewrap_all(ctx)
        await asyncio.sleep(in_flight.total_seconds())
        moved += await rewrap_all(ctx)
        _drop_old_keys(path)
    return moved


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Two at once would each retire the key under which the other has wrapped."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RotationRunning("another rotation of this key file is running; wait for its end") from None
        yield
    finally:
        os.close(folder)


async def rewrap_all(ctx: Context) -> int:
    """Bring every data key under the primary key-encryption key; the number that moved. Can be stopped and repeated.

    Transactions: one per batch, rows locked, so that nobody sees a half-written key.
    """
    ctx.vault.ring.reload()
    moved = 0
    for table in metadata.sorted_tables:
        for column in table.columns:
            if column.info.get("wrapped_key"):
                moved += await _rewrap_column(ctx, table, column.name)
    return moved


async def _rewrap_column(ctx: Context, table: Table, column: str) -> int:
    moved, after = 0, None
    while True:
        done, last = await again_on_deadlock(partial(_rewrap_batch, ctx, table, column, after))
        moved += done
        if last is None:
            return moved
        after = last


async def _rewrap_batch(ctx: Context, table: Table, column: str, after: Any) -> tuple[int, Any]:
    """How many moved, and the id of the last row looked at."""
    async with ctx.database.transaction() as tx:
        rows = await _next_rows(tx, table, column, after)
        moved = [await _rewrap_row(tx, ctx, table, column, row_id, wrapped) for row_id, wrapped in rows]
    return sum(moved), rows[-1][0] if rows else None


async def _next_rows(tx: Tx, table: Table, column: str, after: Any) -> list[tuple[Any, bytes]]:
    statement = (
        select(table.c.id, table.c[column]).where(table.c[column].is_not(None)).order_by(table.c.id).limit(_BATCH)
    )
    if after is not None:
        statement = statement.where(table.c.id > after)
    return [(row[0], row[1]) for row in await tx.execute(statement.with_for_update())]


async def _rewrap_row(tx: Tx, ctx: Context, table: Table, column: str, row_id: Any, wrapped: bytes) -> int:
    moved = ctx.vault.rewrap(wrapped, f"{table.name}:{row_id}")
    if moved is None:
        return 0
    await tx.execute(update(table).where(table.c.id == row_id).values({column: moved}))
    return 1


def _add_key(path: Path) -> None:
    """Put a fresh key first in the key file. Running processes read it when they meet a data key under it."""
    fresh = base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()
    _write(path, [fresh, *path.read_text().split()])


def _drop_old_keys(path: Path) -> None:
    """Keep only the first key of the key file. Only after everything is re-wrapped."""
    _write(path, path.read_text().split()[:1])


def _write(path: Path, keys: list[str]) -> None:
    with replaced(path) as file:
        file.write(("\n".join(keys) + "\n").encode())
