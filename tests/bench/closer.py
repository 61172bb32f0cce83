"""Closes what is due in a database, as the worker's sweep does, and tells what that took. Its own process, to be measured.

Writes a line of JSON when the month is closed, and another one when its first invoices are handed out.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from uvicorn.loops.auto import auto_loop_factory

from broker.addons.billed_names import billed_names
from broker.billing.close import GRACE, close_due
from broker.billing.invoices import issue_finalized
from broker.billing.months import month_at
from broker.kernel.context import Context
from broker.kernel.garbage import look_seldom
from broker.settings import Settings
from broker.wiring import wired
from tests.bench.books import MONTH

_STATUS = Path("/proc/self/status")
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


_MOST_ISSUED = 2000


class _Then:
    """The time at which the month is due."""

    def now(self) -> datetime:
        return month_at(*MONTH).end + GRACE


async def main() -> None:
    """One month, for all its accounts."""
    async with wired(Settings()) as wiring:
        look_seldom()
        ctx = replace(wiring.context, clock=_Then())
        began, cpu = time.perf_counter(), time.process_time()
        accounts = await _close(ctx)
        took = {"close_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
        print(json.dumps(took | {"accounts": accounts, "peak_mib": _peak_mib()}), flush=True)
        began, issued = time.perf_counter(), 0
        while issued < _MOST_ISSUED and (more := await issue_finalized(ctx)):
            issued += more
        print(json.dumps({"issued": issued, "issue_s": time.perf_counter() - began}), flush=True)


def _peak_mib() -> float:
    """The most memory that this program had. (`ru_maxrss` may be that of whoever started it.)"""
    found = _PEAK.search(_STATUS.read_text()) if _STATUS.exists() else None
    return (int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


async def _close(ctx: Context) -> int:
    accounts = 0
    while (closed := await close_due(ctx, billed_names)).accounts:
        accounts += closed.accounts
    return accounts


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:  # as workers are run
        runner.run(main())
