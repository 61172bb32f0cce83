"""What each plan allows. Names and prices are the manifest's; the limits are here."""

from __future__ import annotations

from dataclasses import dataclass

from providers.kit.service import Refused

MB = 1024**2
GB = 1024**3


@dataclass(frozen=True)
class Plan:
    """Units: bytes and seconds. The statement timeout is a default which a session may change; the rest is enforced."""

    slug: str
    connections: int
    size: int
    temporary: int
    statement_timeout_s: int


PLANS = {
    plan.slug: plan
    for plan in (
        Plan("mini", connections=10, size=64 * MB, temporary=64 * MB, statement_timeout_s=30),
        Plan("basic", connections=20, size=1 * GB, temporary=256 * MB, statement_timeout_s=60),
        Plan("standard-0", connections=60, size=8 * GB, temporary=2 * GB, statement_timeout_s=300),
        Plan("premium-0", connections=100, size=32 * GB, temporary=8 * GB, statement_timeout_s=900),
    )
}


def find(slug: str) -> Plan:
    """The plan of that name.

    Raises: Refused, naming the plans there are.
    """
    plan = PLANS.get(slug)
    if plan is None:
        raise Refused(f"There is no plan “{slug[:40]}”. The plans are {', '.join(PLANS)}.")
    return plan
