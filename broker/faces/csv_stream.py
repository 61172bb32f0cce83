"""Exports as CSV over HTTP: rows go out as they come, so that none is held in memory."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence

from starlette.responses import StreamingResponse


def as_csv(rows: AsyncIterator[Sequence[str]]) -> StreamingResponse:
    """The answer with these rows."""

    async def written() -> AsyncIterator[str]:
        async for row in rows:
            text = io.StringIO()
            csv.writer(text, lineterminator="\r\n").writerow(row)
            yield text.getvalue()

    return StreamingResponse(written(), media_type="text/csv", headers={"cache-control": "no-store"})
