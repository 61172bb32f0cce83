"""What cannot be done is refused in a way that the broker understands and a user can read."""

from __future__ import annotations

import re
from typing import Final

from broker.testkit.bodies import no_such_plan
from broker.testkit.checks.judging import must_have_a_sentence, told
from broker.testkit.exchange import Request
from broker.testkit.probe import Probe
from broker.testkit.registry import check
from broker.testkit.results import Failed, Skipped

_TRACES: Final = re.compile(
    rb"Traceback \(most recent call last\)|\n\s+at [\w$.<>]+\([\w.]+\.java:\d+\)|\n\s+at .+ \(.+\.js:\d+:\d+\)"
    rb"|[\w/.-]+\.rb:\d+:in [`']|goroutine \d+ \[running\]"
)


@check("errors", "A provision on a plan that does not exist is refused with 422.")
async def unknown_plan(probe: Probe) -> None:
    exchange = await probe.provision(probe.new_resource(), plan=no_such_plan())
    if exchange.ok:
        raise Failed(f"Instead of 422 {told(exchange)}: something was made that nobody offers.")
    if exchange.status != 422:
        raise Failed(f"Instead of 422 {told(exchange)}. Other statuses are repeated, or shown as a fault of yours.")


@check("errors", "A refusal has a sentence for the user.")
async def has_a_sentence(probe: Probe) -> str | None:
    exchange = await probe.provision(probe.new_resource(), plan=no_such_plan())
    if exchange.status not in (422, 503):
        raise Skipped("An unknown plan is not refused with 422.")
    must_have_a_sentence(exchange)
    return exchange.message


@check("errors", "A body that makes no sense is refused with 400 or 422, and is no error of the program.")
async def nonsense(probe: Probe) -> None:
    headers = {"content-type": "application/json"}
    for body in (b"{}", b"[", b""):
        exchange = await probe.send(Request("POST", probe.subject.resources_url, probe.own_auth, headers, body))
        if not 400 <= exchange.status < 500:
            probe.recent[:] = [exchange]
            probe.made_unasked(exchange)
            raise Failed(f"To the body “{body.decode()}” {told(exchange)}. Check the body before you use it.")


@check("errors", "No answer gives away the inside of the program.", stage=3)
async def no_traces(probe: Probe) -> None:
    telling = [one for one in probe.exchanges if one.lost is None and _TRACES.search(one.body)]
    if telling:
        probe.look_at(telling[0])
        raise Failed("An answer holds a stack trace: attackers read it, users cannot. Log it and answer a sentence.")
