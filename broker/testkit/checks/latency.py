"""How long the answers took, over the whole run."""

from __future__ import annotations

from broker.testkit.exchange import Exchange
from broker.testkit.probe import Probe
from broker.testkit.registry import check
from broker.testkit.results import Failed, Skipped, Warned


@check("latency", "Every answer comes within 25 seconds.", stage=3)
async def in_time(probe: Probe) -> str:
    slowest = _slowest(probe)
    if slowest.late:
        raise Failed(f"To {slowest.request.method}, {slowest.lost}. Answer 202 and finish later.")
    if slowest.seconds > probe.limits.most_s:
        raise Failed(f"{_told(slowest)} The broker gives up by then: answer 202 and finish later.")
    return _told(slowest)


@check("latency", "Every answer comes within 3 seconds.", stage=3)
async def fast(probe: Probe) -> None:
    slowest = _slowest(probe)
    if slowest.late or slowest.seconds > probe.limits.most_s:
        raise Skipped("It took even longer: see the line above.")
    if slowest.seconds > probe.limits.good_s:
        raise Warned(f"{_told(slowest)} Somebody waits for it: answer 202 and finish later.")


def _slowest(probe: Probe) -> Exchange:
    if not probe.exchanges:
        raise Skipped("No call was made.")
    return probe.look_at(max(probe.exchanges, key=lambda exchange: (exchange.late, exchange.seconds)))


def _told(exchange: Exchange) -> str:
    return f"The slowest answer, to {exchange.request.method}, took {exchange.seconds:.1f} s."
