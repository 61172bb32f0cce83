"""The JSON shapes of canaries and of what they measure: outside of the public Platform API schema.

`shapes.py` shows them in the OpenAPI document.
"""

from __future__ import annotations

from typing_extensions import TypedDict

from broker.faces.shapes import Reliability


class Canary(TypedDict):
    """How often a provider is tried; `every_s` is null while it is not. `plan` null is the cheapest one."""

    every_s: int | None
    plan: str | None
    next_run_at: str | None
    reliability: Reliability | None


class CanaryCheck(TypedDict):
    """One sentence of the test kit. `status`: pass, warn or fail."""

    name: str
    status: str


class CanaryRun(TypedDict):
    """One run. `fault` says what failed first. Units: milliseconds until the resource could be used."""

    id: str
    at: str
    revision: int
    plan: str
    passed: bool
    fault: str | None
    provision_ms: int | None
    checks: list[CanaryCheck]


class ProvisionRecord(TypedDict):
    """How real add-ons came into being in the last 30 days; null for too few. What was refused for the sake of the request,
    such as an impossible option, does not count. Units: milliseconds from the order to the config vars.
    """

    measured: bool
    succeeded_percent: float | None
    median_ms: int | None
    p95_ms: int | None


class ServiceRecord(TypedDict):
    """How reliable a service has proved: in the trials of its `canary`, which is null if it has none, and in `provisions`
    of real add-ons, where the broker's own part is in the times.
    """

    service: str
    canary: Reliability | None
    provisions: ProvisionRecord
