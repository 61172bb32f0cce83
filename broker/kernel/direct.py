"""Statements of the hot paths: written in Core like all others, compiled once, and run by the driver itself.

What this saves, and when it is worth it: docs/performance.md. Everything else goes through `Tx.execute`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import asyncpg
from sqlalchemy import JSON, BindParameter, ClauseElement, bindparam
from sqlalchemy.dialects.postgresql import asyncpg as driver_dialect

from broker.kernel.db import Database, Tx

Record = Any
"""A row as the driver gives it: columns by position, by name, and as attributes."""

_DIALECT: Final[Any] = driver_dialect.dialect()  # type: ignore[no-untyped-call]  # it has no annotations


class _Record(asyncpg.Record):  # type: ignore[misc]  # the driver has no annotations
    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


_Convert = Callable[[Any], Any]
_Compiled = tuple[str, tuple[str, ...], Mapping[str, Any], tuple[tuple[int, _Convert], ...]]


class Direct:
    """One statement; its parameters are its `bindparam`s. Results with JSON are refused: the driver does not decode it.

    Raises (from whatever runs it): what the driver raises, `asyncpg.PostgresError`.
    """

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement

    @cached_property
    def _compiled(self) -> _Compiled:
        """The text; of each argument the name; the values of those that need not be given; what has to be converted."""
        compiled: Any = self._statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        for column in getattr(self._statement, "exported_columns", ()):
            if isinstance(column.type, JSON):
                raise TypeError(f"the driver does not decode {column}; leave it to `Tx.execute`")
        names = tuple(compiled.positiontup or ())
        binds = [compiled.binds.get(name) for name in names]  # None for one of a list of constants
        given = {
            name: compiled.params[name]
            for name, bind in zip(names, binds, strict=True)
            if bind is None or not bind.required
        }
        found = [None if bind is None else _conversion(bind) for bind in binds]
        return str(compiled), names, given, tuple((at, convert) for at, convert in enumerate(found) if convert)

    def call(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """The text with its arguments, as the driver wants them.

        Raises: KeyError for a parameter that has no value.
        """
        text, names, given, conversions = self._compiled
        every = {**given, **values} if given else values
        found = [every[name] for name in names]
        for at, convert in conversions:
            if found[at] is not None:
                found[at] = convert(found[at])
        return (text, *found)

    async def all(self, tx: Tx, **values: Any) -> list[Record]:
        """Every row."""
        rows: list[Record] = await (await driver_of(tx)).fetch(*self.call(values), record_class=_Record)
        return rows

    async def first(self, tx: Tx, **values: Any) -> Record | None:
        """The first row."""
        return await (await driver_of(tx)).fetchrow(*self.call(values), record_class=_Record)

    async def many(self, tx: Tx, values: Sequence[Mapping[str, Any]]) -> None:
        """Run it once for each of these values, without waiting in between."""
        calls = [self.call(each) for each in values]
        if calls:
            await (await driver_of(tx)).executemany(calls[0][0], [call[1:] for call in calls])

    async def read(self, database: Database, **values: Any) -> list[Record]:
        """Every row, read without a transaction: two round trips and most of SQLAlchemy's work less."""
        async with database.reading() as driver:
            rows: list[Record] = await driver.fetch(*self.call(values), record_class=_Record)
        return rows


def placeholders(columns: str) -> dict[str, BindParameter[Any]]:
    """What to write into these columns: parameters that `filled` gives."""
    return {column: bindparam(f"new_{column}") for column in columns.split()}


def filled(row: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that stand for a row, given by column."""
    return {f"new_{column}": value for column, value in row.items()}


def _conversion(bind: Any) -> _Convert | None:
    convert: _Convert | None = bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
    return convert


async def driver_of(tx: Tx) -> Any:
    """The driver's connection under a transaction, which the driver has begun."""
    assert tx.sync_connection is not None, "the transaction is open"
    adapter: Any = tx.sync_connection.connection.dbapi_connection
    driver = adapter.driver_connection
    if not driver.is_in_transaction():
        # SQLAlchemy tells the driver to begin at the first statement that it runs itself, and offers no other way.
        await adapter._start_transaction()
    return driver
