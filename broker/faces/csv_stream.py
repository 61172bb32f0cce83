"""Exports as CSV over HTTP: rows go out as they come, so that none is held in memory."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Sequence
from typing import Final

from starlette.responses import StreamingResponse

_FORMULA: Final = re.compile(r"[=+\-@\t\r]")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")


def as_csv(rows: AsyncIterator[Sequence[str]]) -> StreamingResponse:
    """The answer with these rows."""

    async def written() -> AsyncIterator[str]:
        async for row in rows:
            text = io.StringIO()
            csv.writer(text, lineterminator="\r\n").writerow([cell(value) for value in row])
            yield text.getvalue()

    return StreamingResponse(written(), media_type="text/csv", headers={"cache-control": "no-store"})


def cell(value: str) -> str:
    """The value, so that a spreadsheet takes nobody's name for a formula: it would run what it says."""
    return f"'{value}" if _FORMULA.match(value) and not _NUMBER.fullmatch(value) else value
