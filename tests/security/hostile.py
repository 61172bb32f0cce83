"""One text that would become markup, a script or an address wherever it is put without care, and putting it everywhere.

What outsiders control is everything but our own words: a new column is hostile until it is named here.
"""

import re
from typing import Any, Final

from sqlalchemy import ARRAY, String, Table, Text, literal, literal_column, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError

from broker.kernel.context import Context
from broker.metadata import metadata

MARK: Final = "xssmark"
HOSTILE: Final = (
    "javascript:/*--></title></style></textarea></option></script><xssmark id=x>"
    """<svg/onload='+/"/+/onmouseover=xssmark()/+'><img src=x onerror=xssmark()>"""
)
"""Begins as an address that runs, then leaves every element and both kinds of quotes."""

_OURS: Final = frozenset(
    "api_version capabilities categories circuit code_challenge currency day digest error_id features funded_by gateway how"
    " include ledger_account level logo media_type mode month nonce number outcome own_scopes ownership password_hash permission"
    " policy prefix purpose quantity region regions requires role scope_kind scopes series service share_bp slug sso stack state"
    " status step suspended_for trigram url_style voids wanted word zone zone_data kind config_vars".split()
)
"""Columns, and members of JSON, of our own words: what is read as one of a few, as a number, or finds a row."""
_PLAIN: Final = re.compile(r"[0-9a-f-]{36}|\d{4}-\d\d.*|[\d.+-]*|usd")
"""What is read as an id, a time, a number or a currency."""
_SEALED: Final = frozenset(("config_vars.name", "addon_config.name"))
"""Names that are sealed with their values. They are names of variables, or there is nothing."""
_MEANT: Final = frozenset(("team_name", "key", "suspended_for"))
"""Where nothing means something."""


async def spread(ctx: Context) -> None:
    """Put the text into every row there is, past the use cases, which would refuse much of it."""
    for table in metadata.sorted_tables:
        for column in table.columns:
            if column.name in _OURS or str(column) in _SEALED:
                continue
            if isinstance(column.type, JSONB):
                await _into_json(ctx, table, column.name)
            elif isinstance(column.type, String | Text):
                await _into(ctx, table, column.name)
            elif isinstance(column.type, ARRAY) and isinstance(column.type.item_type, String | Text):
                await _past_triggers(ctx, update(table).values({column.name: [HOSTILE]}))


async def _into(ctx: Context, table: Table, name: str) -> None:
    column = table.c[name]
    unlike = literal(HOSTILE + " ") + literal_column(f"{table.name}.ctid::text")
    there = column.is_not(None)
    for value, where in ((HOSTILE, name not in _MEANT), (HOSTILE, there), (unlike, there)):
        try:
            await _past_triggers(ctx, update(table).where(where).values({name: value}))
        except IntegrityError:  # it has to be empty here and there, or another one in every row
            continue
        return


async def _into_json(ctx: Context, table: Table, name: str) -> None:
    keys, column = list(table.primary_key.columns), table.c[name]
    async with ctx.database.transaction() as tx:
        rows = (await tx.execute(select(*keys, column).where(column.is_not(None)))).all()
    for row in rows:
        mine = [key == value for key, value in zip(keys, row[:-1], strict=True)]
        await _past_triggers(ctx, update(table).where(*mine).values({name: hostile(row[-1])}))


def hostile(value: Any) -> Any:
    """The same shape, with the text in place of every text of somebody else's."""
    if isinstance(value, dict):
        return {key: item if key in _OURS else hostile(item) for key, item in value.items()}
    if isinstance(value, list):
        return [hostile(item) for item in value]
    return HOSTILE if isinstance(value, str) and not _PLAIN.fullmatch(value) else value


async def _past_triggers(ctx: Context, statement: Any) -> None:
    async with ctx.database.transaction() as tx:
        await tx.execute(text("set local session_replication_role = replica"))
        await tx.execute(statement)
