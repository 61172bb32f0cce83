"""Sending mail: by SMTP, or into a folder where somebody looks; or not at all, and operators read the outbox."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from email.errors import HeaderDefect, MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

from broker.kernel.db import in_transaction
from broker.kernel.secret import Secret
from broker.notices.letters import Envelope, Fate, Post, Receipt

_TIMEOUT_S: Final = 20.0
_WITHIN_S: Final = 60.0
"""For a whole attempt; the lease of a notice is longer."""
_FOR_EVER: Final = range(500, 600)
_SUBMISSION, _SUBMISSIONS = 587, 465


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed in, and as whom. Units: none; without TLS only on this machine, or when nobody logs in."""

    host: str
    port: int
    user: str | None
    password: Secret | None
    is_tls: bool
    """TLS from the first byte; else STARTTLS is required, unless the server is on this machine and has none."""

    @classmethod
    def parse(cls, url: str) -> SmtpServer:
        """From `smtp://user:password@host:587` (STARTTLS) or `smtps://user:password@host:465`.

        Raises: ValueError.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise ValueError("must be smtp://user:password@host:587 or smtps://user:password@host:465")
        is_tls = parts.scheme == "smtps"
        user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
        return cls(
            parts.hostname,
            parts.port or (_SUBMISSIONS if is_tls else _SUBMISSION),
            user,
            None if password is None else Secret(password),
            is_tls,
        )

    @property
    def is_here(self) -> bool:
        """Whether what is said to it leaves this machine."""
        return self.host in ("127.0.0.1", "::1", "localhost")


class Smtp:
    """Hands mail in at an SMTP server; a connection for each, there are few."""

    def __init__(self, server: SmtpServer, sender: str, trusted: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._sender = sender
        self._trusted = trusted

    async def __call__(self, envelope: Envelope, /) -> Receipt:
        assert not in_transaction(), "mail is sent with no transaction open"
        try:
            message = written(envelope, self._sender)
        except (MessageError, HeaderDefect, ValueError) as error:
            return Receipt(Fate.REFUSED, f"the mail can't be written: {type(error).__name__}")
        try:
            async with asyncio.timeout(_WITHIN_S):
                return await self._hand_in(message)
        except aiosmtplib.SMTPRecipientsRefused as refused:
            return _refusal(refused.recipients[0])
        except aiosmtplib.SMTPDataError as refused:
            return _refusal(refused)
        except _LoginRefused as refused:
            return Receipt(Fate.FAILED, str(refused))
        except (
            aiosmtplib.SMTPResponseException
        ) as refused:  # whoever sends, or how, is refused: operators can change that
            return Receipt(Fate.FAILED, _said(refused))
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            return Receipt(Fate.FAILED, f"no conversation with the mail server: {type(error).__name__}")

    async def _hand_in(self, message: EmailMessage) -> Receipt:
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.is_tls,
            start_tls=False,
            timeout=_TIMEOUT_S,
            tls_context=self._trusted,
            local_hostname="localhost",
        )
        async with client:
            if server.is_here and not server.is_tls:
                await client.ehlo()  # which tells what it can
            if not server.is_tls and (not server.is_here or client.supports_extension("starttls")):
                await client.starttls()
            if server.user is not None and server.password is not None:
                await _log_in(client, server.user, server.password)
            await client.send_message(message)
        return Receipt(Fate.SENT)


async def _log_in(client: aiosmtplib.SMTP, user: str, password: Secret) -> None:
    try:
        await client.login(user, password.reveal())
    except aiosmtplib.SMTPAuthenticationError as error:
        # The operator's fault and not the mail's: it waits until the password is right.
        raise _LoginRefused(f"the mail server refuses our login ({error.code})") from None


class _LoginRefused(Exception):
    """In a sentence without the name and the password, which the server's own may repeat."""


def _refusal(refused: aiosmtplib.SMTPResponseException) -> Receipt:
    return Receipt(Fate.REFUSED if refused.code in _FOR_EVER else Fate.FAILED, _said(refused))


def _said(refused: aiosmtplib.SMTPResponseException) -> str:
    said = "".join(c if c.isprintable() else " " for c in refused.message)[:200]
    return f"{refused.code} {said}"


class Folder:
    """Puts every mail into a folder as a file, which `broker up` shows in its console."""

    def __init__(self, path: Path, sender: str) -> None:
        self._path = path
        self._sender = sender

    async def __call__(self, envelope: Envelope, /) -> Receipt:
        try:
            await asyncio.to_thread(self._write, written(envelope, self._sender), str(envelope.id))
        except (OSError, MessageError, ValueError) as error:
            return Receipt(Fate.FAILED, f"the mail can't be written: {type(error).__name__}")
        return Receipt(Fate.KEPT)

    def _write(self, message: EmailMessage, name: str) -> None:
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._path / f".{name}"
        part.touch(mode=0o600)
        part.write_bytes(message.as_bytes())
        part.replace(self._path / f"{name}.eml")


class Nowhere:
    """Sends nothing: operators find what there is to tell by `broker mails`."""

    async def __call__(self, envelope: Envelope, /) -> Receipt:
        return Receipt(Fate.KEPT)


def mailer(url: Secret | None, folder: Path | None, sender: str) -> Post:
    """How this installation sends mail."""
    if url is not None:
        return Smtp(SmtpServer.parse(url.reveal()), sender)
    return Folder(folder, sender) if folder is not None else Nowhere()


def written(envelope: Envelope, sender: str) -> EmailMessage:
    """The message: a text part, an HTML part, and what keeps out-of-office answers away.

    Raises: ValueError for an address that is none, or a header that would be two.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = Address(addr_spec=envelope.address)
    message["Subject"] = envelope.letter.subject
    message["Date"] = envelope.at
    domain = message["From"].addresses[0].domain
    message["Message-ID"] = f"<{envelope.id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(envelope.letter.text)
    message.add_alternative(envelope.letter.html, subtype="html")
    return message
