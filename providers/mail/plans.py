"""The plans of the mail services: what each allows, and the day its quota is counted by. Prices live in the manifests."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan allows. A mail is one message to one recipient.

    Units: ``mails_per_day`` per UTC day; ``stored_bytes`` over all kept messages of the resource.
    """

    slug: str
    mails_per_day: int
    retention: timedelta
    stored_bytes: int
    metered: bool = False
    """Whether its mails are reported to the broker."""

    def summary(self) -> str:
        return f"{self.mails_per_day:,} mails a day, kept for {self.retention.days} days"


_MIB = 1024 * 1024

PLANS: dict[str, Plan] = {
    plan.slug: plan
    for plan in (
        Plan("starter", 200, timedelta(days=3), 100 * _MIB),
        Plan("bronze", 2_000, timedelta(days=7), 1024 * _MIB),
        Plan("silver", 50_000, timedelta(days=30), 10 * 1024 * _MIB),
        Plan("payg", 10_000, timedelta(days=7), 1024 * _MIB, metered=True),
    )
}


def day_of(moment: datetime) -> str:
    """The UTC day a mail accepted at ``moment`` counts for, as ``YYYY-MM-DD``."""
    return moment.astimezone(UTC).date().isoformat()


def next_day(moment: datetime) -> datetime:
    """When the quota is fresh again: the coming midnight, UTC."""
    return datetime.combine(moment.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
