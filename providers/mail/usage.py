"""Usage of metered plans: mails are counted by the hour with the message itself, and each hour that is over is reported once.

An hour's count does not change any more when it is reported, and the name of the report follows from resource and hour: what is
sent again, because its answer was lost, says the same. What the broker answered is kept with the hour.
"""

import asyncio
import logging
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from providers.kit.manifest import Manifest
from providers.kit.store import ResourceStore
from providers.mail.database import Database

METER = "mails"
_LOOK_EVERY_S = 300
_ANSWER_WITHIN_S = 30
_MOST_AT_ONCE = 500
_KEPT = timedelta(days=90)

log = logging.getLogger("provider.mail")


@dataclass(frozen=True, slots=True)
class Hour:
    """The mails that one resource had accepted in one hour; `last` is when the last of them was."""

    resource: str
    hour: str
    mails: int
    last: datetime

    @property
    def report(self) -> dict[str, Any]:
        """As the broker is told. Its id is good for ever."""
        return {
            "id": f"{self.resource} {self.hour}",
            "resource": {"id": self.resource},
            "unit": {"name": METER},
            "quantity": str(self.mails),
            "at": _text(self.last),
        }


def count(tx: sqlite3.Connection, resource: str, mails: int, moment: datetime) -> None:
    """Add to the hour, in the transaction that stores the message. The row stays when the resource is removed."""
    tx.execute(
        "INSERT INTO usage (resource, hour, mails, last_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (resource, hour) DO UPDATE SET mails = mails + excluded.mails, last_at = excluded.last_at",
        (resource, _hour(moment), mails, int(moment.timestamp())),
    )


class Reporter:
    """Tells the broker the hours that are over."""

    def __init__(
        self,
        database: Database,
        store: ResourceStore,
        manifests: Iterable[Manifest],
        broker_url: str,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._store = store
        self._manifests: Mapping[str, Manifest] = {manifest.id: manifest for manifest in manifests}
        self._broker_url = broker_url.rstrip("/")
        self._now = now

    async def run(self) -> None:
        """Look every five minutes for hours that are over, until cancelled; what could not be told waits for the next look."""
        async with httpx.AsyncClient(base_url=self._broker_url, timeout=_ANSWER_WITHIN_S, trust_env=False) as client:
            while True:
                try:
                    await self.report(client)
                except httpx.HTTPError as error:
                    log.warning("usage could not be reported, it is tried again: %s", type(error).__name__)
                await asyncio.sleep(_LOOK_EVERY_S)

    async def report(self, client: httpx.AsyncClient) -> int:
        """Report what is due, a batch per service, and say how many hours were answered.

        Raises: httpx.HTTPError; what was not answered is due again.
        """
        due: dict[str, list[Hour]] = defaultdict(list)
        for hour in await asyncio.to_thread(self._due):
            resource = self._store.find(UUID(hour.resource))
            if resource is not None and resource.manifest in self._manifests:
                due[resource.manifest].append(hour)
        answered = 0
        for slug, hours in due.items():
            answered += await self._send(client, self._manifests[slug], hours)
        return answered

    async def _send(self, client: httpx.AsyncClient, manifest: Manifest, hours: list[Hour]) -> int:
        answer = await client.post(
            f"/api/v3/addons/{manifest.id}/usage_batches",
            json={"usages": [hour.report for hour in hours]},
            auth=(manifest.id, manifest.password.get_secret_value()),
        )
        answer.raise_for_status()
        results = answer.json()["results"]
        await asyncio.to_thread(self._settle, list(zip(hours, results, strict=True)))
        return len(results)

    def _due(self) -> list[Hour]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM usage WHERE answer IS NULL AND hour < ? ORDER BY hour, resource LIMIT ?",
                (_hour(self._now()), _MOST_AT_ONCE),
            ).fetchall()
        return [Hour(row["resource"], row["hour"], row["mails"], _moment(row["last_at"])) for row in rows]

    def _settle(self, answers: list[tuple[Hour, Mapping[str, Any]]]) -> None:
        """Keep what the broker said, for a while."""
        for hour, result in answers:
            if result["status"] not in ("accepted", "duplicate"):
                log.error("usage of %s in %s was not taken: %s", hour.resource, hour.hour, result.get("reason"))
        with self._database.transaction() as tx:
            tx.executemany(
                "UPDATE usage SET answer = ? WHERE resource = ? AND hour = ?",
                [(result["status"], hour.resource, hour.hour) for hour, result in answers],
            )
            tx.execute("DELETE FROM usage WHERE answer IS NOT NULL AND hour < ?", (_hour(self._now() - _KEPT),))


def _hour(moment: datetime) -> str:
    return _text(moment.replace(minute=0, second=0, microsecond=0))


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _moment(stamp: int) -> datetime:
    return datetime.fromtimestamp(stamp, UTC)
