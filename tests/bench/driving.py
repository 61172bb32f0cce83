"""Driving load at servers, and what is measured meanwhile: rate, latencies, processor time of everybody involved."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.bench import cpu

CLIENTS = 16


class BenchFailed(Exception):
    """A measurement means nothing, because requests were refused."""


@dataclass(frozen=True)
class Size:
    """How long, on how much and with how many server processes is measured."""

    apps: int
    seconds: float
    warm_up: int
    additions: int
    processes: int = 2
    closings: Sequence[int] = (100_000,)
    """Usage periods of the months that are closed."""
    batches: int = 60
    """Batches of usage that are reported."""
    services: Sequence[int] = (1_000, 10_000)
    """Services of the marketplaces that are looked at."""
    shown: int = 200
    """Add-ons of the dashboard that is looked at."""
    looks: int = 200
    """At each kind of page."""


@dataclass(frozen=True)
class Measured:
    """One measurement. Units: `rate` per second, `cpu_us` microseconds per request by who used them, `took_ms` each."""

    rate: float
    count: int
    cpu_us: Mapping[str, float | None]
    took_ms: Sequence[float] = ()

    @property
    def whole_us(self) -> float | None:
        """All processor time of a request."""
        known = [each for each in self.cpu_us.values() if each is not None]
        return sum(known) if len(known) == len(self.cpu_us) else None

    def percentile(self, percent: int) -> float:
        return statistics.quantiles(self.took_ms, n=100, method="inclusive")[percent - 1]


def request(method: str, path: str, authorization: str = "", body: object = None, *, cookie: str = "") -> str:
    """A request as it goes over the wire."""
    content = "" if body is None else json.dumps(body)
    lines = [f"{method} {path} HTTP/1.1", "host: bench", "accept: application/vnd.heroku+json; version=3"]
    lines += [f"authorization: {authorization}"] if authorization else []
    lines += [f"cookie: {cookie}"] if cookie else []
    lines += ["content-type: application/json", f"content-length: {len(content)}"] if content else []
    return "\r\n".join([*lines, "", content])


def drive(
    ports: Sequence[int],
    requests: Sequence[str],
    watched: Mapping[str, Sequence[int]],
    size: Size,
    *,
    clients: int = CLIENTS,
    count: int | None = None,
) -> Measured:
    """Send the requests in turn for the size's seconds, or until `count` answers, after those of the warm-up.

    `watched` names trees of processes by their roots.

    Raises: BenchFailed when anything but success was answered.
    """
    job = {"ports": ports, "requests": requests, "clients": clients, "count": count}
    job |= {"seconds": size.seconds, "warm_up": size.warm_up}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(job))
        process.stdin.close()
        process.stdout.readline()
        before = {name: cpu.used_s(roots) for name, roots in watched.items()}
        last = process.stdout.readline()
        after = {name: cpu.used_s(roots) for name, roots in watched.items()}
    return _measured(json.loads(last), before, after)


def _measured(told: dict, before: Mapping[str, float | None], after: Mapping[str, float | None]) -> Measured:
    answers = {int(status): number for status, number in told["statuses"].items()}
    number = sum(answers.values())
    if not number or any(status >= 300 for status in answers):
        raise BenchFailed(f"the answers were {answers}: {told['first_refusal']}")
    used = {name: per_request_us(before[name], after[name], number) for name in before}
    used["load"] = told["cpu_s"] / number * 1e6
    return Measured(number / told["seconds"], number, used, [1000 * each for each in told["took"]])


def per_request_us(before: float | None, after: float | None, count: int) -> float | None:
    """Microseconds of processor time per request."""
    return None if before is None or after is None else (after - before) / count * 1e6
