"""How the kit tells of calls that nobody answered in time. Slow answers are those of the mutants."""

from types import SimpleNamespace
from typing import Any

import pytest

from broker.testkit.checks.latency import fast, in_time
from broker.testkit.exchange import Exchange, Request
from broker.testkit.probe import Limits
from broker.testkit.results import Failed, Skipped

SLOW = Exchange(Request("PUT", "http://127.0.0.1/"), 2.0, 200)
LATE = Exchange(Request("POST", "http://127.0.0.1/"), 1.0, lost="nothing came within 1 s", late=True)


async def test_what_was_never_answered_is_no_answer_within_any_time() -> None:
    probe: Any = SimpleNamespace(
        exchanges=[SLOW, LATE, SLOW], limits=Limits(timeout_s=1.0), look_at=lambda exchange: exchange
    )
    with pytest.raises(Failed, match="To POST, nothing came within 1 s"):
        await in_time(probe)
    with pytest.raises(Skipped):
        await fast(probe)
    probe.exchanges.remove(LATE)
    assert "to PUT, took 2.0 s" in await in_time(probe)
