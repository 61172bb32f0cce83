"""A row in every table of a database, made from what the database says about its columns. Knows no table by name."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Connection, Enum, Integer, MetaData, Numeric, Table, insert
from sqlalchemy.dialects.postgresql import BYTEA, JSON, JSONB, TEXT, TIMESTAMP, TSVECTOR, UUID, VARCHAR

Rows = dict[str, list[dict[str, Any]]]

_NOT_OURS = "procrastinate_"
_MAKERS: dict[type, Callable[[Any], Any]] = {
    UUID: lambda _: uuid4(),
    TEXT: lambda column: f"{column.name} {uuid4()}",
    VARCHAR: lambda column: f"{column.name} {uuid4()}",
    BigInteger: lambda _: 7,
    Integer: lambda _: 7,
    Numeric: lambda _: 7,
    Boolean: lambda _: True,
    TIMESTAMP: lambda _: datetime(2026, 11, 21, 9, 54, 7, tzinfo=UTC),
    BYTEA: lambda _: uuid4().bytes,
    JSONB: lambda _: {"a": [1, None]},
    TSVECTOR: lambda _: "'one':1A",
    JSON: lambda _: {"a": [1, None]},
    ARRAY: lambda column: [uuid4()] if isinstance(column.type.item_type, UUID) else ["one", "two"],
    Enum: lambda column: column.type.enums[0],
}


def reflected(connection: Connection) -> MetaData:
    found = MetaData()
    found.reflect(connection)
    return found


def fill(connection: Connection) -> Rows:
    """Insert a row into every table of ours, parents first, and a job into the queue; answers all rows that there are."""
    tables = [table for table in reflected(connection).sorted_tables if table.name != "alembic_version"]
    made: Rows = {}
    # What triggers watch over, such as a ledger that balances, is not to be had from rows of chance.
    connection.exec_driver_sql("set local session_replication_role = replica")
    for table in tables:
        if not table.name.startswith(_NOT_OURS):
            made[table.name] = [{column.name: _value(column, made) for column in table.columns}]
            connection.execute(insert(table), made[table.name])
    connection.exec_driver_sql("insert into procrastinate_jobs (queue_name, task_name) values ('q', 'broker.advance')")
    return {table.name: rows(connection, table) for table in tables}


def rows(connection: Connection, table: Table) -> list[dict[str, Any]]:
    order = table.primary_key.columns or table.columns
    return [dict(row) for row in connection.execute(table.select().order_by(*order)).mappings()]


def _value(column: Column[Any], made: Rows) -> Any:
    for key in column.foreign_keys:
        parent, _, name = key.target_fullname.rpartition(".")
        if parent == column.table.name:
            return None
        return made[parent][0][name]
    return next(make(column) for kind, make in _MAKERS.items() if isinstance(column.type, kind))
