"""Writing many rows of a table at once, as COPY takes them: a tenth of the work of an insert for each. See docs/performance.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import JSON

from broker.kernel.db import Base, Tx
from broker.kernel.direct import driver_of

_ENCODE: Final = json.JSONEncoder().encode


class Bulk:
    """Rows of one table, by at least two columns; those that are not named get their defaults.

    Raises (when writing): what the driver raises, `asyncpg.PostgresError`.
    """

    def __init__(self, table: type[Base], columns: Iterable[str]) -> None:
        self._table = table.__tablename__
        kinds = {name: table.__table__.c[name].type for name in columns}
        self._columns = sorted(kinds, key=lambda name: isinstance(kinds[name], JSON))
        self._plain = sum(not isinstance(kind, JSON) for kind in kinds.values())
        self._values = itemgetter(*self._columns)

    async def write(self, tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write them all, in one statement."""
        if not rows:
            return
        driver, plain, texts = await driver_of(tx), self._plain, _Texts()
        records = []
        for row in rows:
            values = self._values(row)
            records.append((*values[:plain], *map(texts.of, values[plain:])))
        await driver.copy_records_to_table(self._table, records=records, columns=self._columns)


class _Texts:
    """JSON of values that many rows share: each is encoded once. Knows them by identity, so they have to outlive it."""

    def __init__(self) -> None:
        self._known: dict[int, str] = {}

    def of(self, value: Any) -> str:
        found = self._known.get(id(value))
        if found is None:
            found = self._known[id(value)] = _ENCODE(value)
        return found
