"""Hands queued mail to the upstream over SMTP. What is due and what an answer means for the queue: ``outbox``.

A crash between the upstream's "accepted" and our note of it sends that message twice: mail knows no better.
"""

import asyncio
import contextlib
import ipaddress
import logging
import ssl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import SplitResult, unquote

import aiosmtplib

from providers.mail.outbox import Outbox, Parcel, Reply

_TIMEOUT_S = 30
_IDLE_S = 60

log = logging.getLogger("provider.mail.relay")


class Relay:
    """Sends what is due, sleeps until more is, and is woken by ``wake`` when a message comes in."""

    def __init__(
        self, outbox: Outbox, upstream: SplitResult, authority: Path | None, name: str, now: Callable[[], datetime]
    ) -> None:
        self._outbox = outbox
        self._upstream = upstream
        self._authority = authority
        self._name = name
        self._now = now
        self._woken = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        """End ``run`` after the message it is at. Cancelling alone is not enough: the SMTP client may swallow it."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Deliver until stopped. What was not delivered by then stays queued."""
        while not self._stopping:
            parcels = await asyncio.to_thread(self._outbox.due)
            if parcels:
                await self._deliver(parcels)
            else:
                await self._sleep()

    async def _sleep(self) -> None:
        next_at = await asyncio.to_thread(self._outbox.next_at)
        wait = _IDLE_S if next_at is None else min(max(next_at - self._now().timestamp(), 0.01), _IDLE_S)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), wait)
        # Cleared after the wait and before the next look: whoever sets it in between has his message seen by that look.
        if not self._stopping:
            self._woken.clear()

    async def _deliver(self, parcels: list[Parcel]) -> None:
        """One connection for the whole batch. When it cannot be had, or breaks, the rest of the batch waits."""
        remaining = list(parcels)
        try:
            async with self._client() as client:
                while remaining and not self._stopping:
                    replies = await _send(client, remaining[0])
                    await asyncio.to_thread(self._outbox.settle, remaining.pop(0), replies)
        except (aiosmtplib.SMTPException, OSError) as error:
            # The tenants who read the reply need not know where the upstream is; the operator does.
            log.warning("upstream unavailable: %s", error or type(error).__name__)
            reply = Reply(0, "The upstream could not be reached, or refused the connection.")
            for parcel in remaining:
                await asyncio.to_thread(self._outbox.settle, parcel, dict.fromkeys(parcel.recipients, reply))

    def _client(self) -> aiosmtplib.SMTP:
        url = self._upstream
        implicit = url.scheme == "smtps"
        # A password is only ever sent in clear within this machine; elsewhere the upstream must offer STARTTLS.
        must_encrypt = bool(url.username) and not _is_loopback(url.hostname or "")
        return aiosmtplib.SMTP(
            hostname=url.hostname,
            port=url.port or (465 if implicit else 587 if url.username else 25),
            username=unquote(url.username) if url.username else None,
            password=unquote(url.password) if url.password else None,
            local_hostname=self._name,
            use_tls=implicit,
            start_tls=True if must_encrypt and not implicit else None,
            tls_context=ssl.create_default_context(cafile=self._authority) if self._authority else None,
            timeout=_TIMEOUT_S,
        )


async def _send(client: aiosmtplib.SMTP, parcel: Parcel) -> dict[str, Reply]:
    """Offer one message; what the upstream says about each recipient is an answer, not an exception."""
    options = ["BODY=8BITMIME"] if not parcel.raw.isascii() and client.supports_extension("8bitmime") else []
    if not all(address.isascii() for address in (parcel.sender, *parcel.recipients)):
        options.append("SMTPUTF8")
    try:
        refused, said = await client.sendmail(parcel.sender, parcel.recipients, parcel.raw, mail_options=options)
    except aiosmtplib.SMTPRecipientsRefused as error:
        return {each.recipient: Reply(each.code, each.message) for each in error.recipients}
    except aiosmtplib.SMTPResponseException as error:
        return dict.fromkeys(parcel.recipients, Reply(error.code, error.message))
    except ValueError as error:  # an address or an option that this upstream cannot be told
        return dict.fromkeys(parcel.recipients, Reply(550, str(error)))
    accepted = {recipient: Reply(250, said) for recipient in parcel.recipients}
    return accepted | {recipient: Reply(answer.code, answer.message) for recipient, answer in refused.items()}


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
