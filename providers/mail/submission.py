"""The SMTP submission server: logins, limits and the answers of the protocol. What accepting a message means: ``messages``."""
# ruff: noqa: N802 (the library finds its commands and hooks by these names)

import asyncio
import logging
import ssl
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from providers.mail.credentials import Credential, Credentials
from providers.mail.messages import Intake, NoSuchCredential, QuotaUsedUp, Submission
from providers.mail.mime import TooDeeplyNested
from providers.mail.trace import stamped

_IDLE_S = 120
_CALLS = {"AUTH": 5, "*": 1_000_000}

log = logging.getLogger("provider.mail.smtp")


class _Login(Session):
    """A session that knows its credential. The library's own ``login_data`` logs a deprecation each time it is set."""

    credential: Credential | None = None
    login_data = None


class _Connection(SMTP):
    """One client's connection, counted, with its own command limits (the library's are shared by all connections)."""

    def __init__(self, server: "SubmissionServer", **options: Any) -> None:
        self.command_size_limits = defaultdict(lambda: SMTP.command_size_limit)
        super().__init__(server, **options)
        self._server = server
        self._turned_away = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._server.connections.add(self)
        self._turned_away = len(self._server.connections) > self._server.connections_limit
        if self._turned_away:
            assert isinstance(transport, asyncio.WriteTransport)
            transport.write(b"421 4.3.2 Too many connections, please try again later\r\n")
            transport.close()
        else:
            super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self)
        if not self._turned_away:
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if not self._turned_away:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        return None if self._turned_away else super().eof_received()

    def _create_session(self) -> Session:
        return _Login(self.loop)

    async def smtp_AUTH(self, arg: str | None) -> None:
        """Mechanism names know no case; the library's comparison does."""
        mechanism, space, initial = (arg or "").partition(" ")
        await super().smtp_AUTH(f"{mechanism.upper()}{space}{initial}")


class SubmissionServer:
    """Listens in the running event loop. It is also the handler of the library's hooks, hence their names."""

    def __init__(
        self,
        credentials: Credentials,
        intake: Intake,
        now: Callable[[], datetime],
        *,
        host: str,
        tls: ssl.SSLContext,
        tls_required: bool,
        message_limit: int,
        recipients_limit: int,
        connections_limit: int,
    ) -> None:
        self._credentials = credentials
        self._intake = intake
        self._now = now
        self._host = host
        self._tls = tls
        self._tls_required = tls_required
        self._message_limit = message_limit
        self._recipients_limit = recipients_limit
        self.connections_limit = connections_limit
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self.accepted: Callable[[], None] = lambda: None
        # Its lines at lower levels carry the addresses, and at the lowest the words, of tenants' mail.
        logging.getLogger("mail.log").setLevel(logging.WARNING)

    async def start(self, address: str, port: int) -> int:
        """Listen on ``address`` and give the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, address, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for connection in list(self.connections):
            if connection.transport is not None:
                connection.transport.close()
        await self._server.wait_closed()
        self._server = None

    @property
    def listening(self) -> bool:
        return self._server is not None and self._server.is_serving()

    def _connection(self) -> _Connection:
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            hostname=self._host,
            ident="ESMTP submission",
            data_size_limit=self._message_limit,
            enable_SMTPUTF8=True,
            tls_context=self._tls,
            auth_require_tls=self._tls_required,
            authenticator=self._authenticate,
            command_call_limit=_CALLS,
            timeout=_IDLE_S,
        )

    def _authenticate(self, _: SMTP, session: Session, __: Envelope, mechanism: str, given: object) -> AuthResult:
        assert isinstance(session, _Login)
        assert isinstance(given, LoginPassword)
        username = given.login.decode("utf-8", "replace")
        session.credential = self._credentials.check(username, given.password.decode("utf-8", "surrogateescape"))
        return AuthResult(success=session.credential is not None, handled=False)

    async def handle_MAIL(self, _: SMTP, session: _Login, envelope: Envelope, address: str, options: list[str]) -> str:
        if session.credential is None:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(self, _: SMTP, session: _Login, envelope: Envelope, address: str, options: list[str]) -> str:
        local, _at, domain = address.rpartition("@")
        if not local or not domain:
            return "553 5.1.3 The recipient's address needs a domain"
        if len(envelope.rcpt_tos) >= self._recipients_limit:
            return f"452 4.5.3 Too many recipients: a message may have {self._recipients_limit}"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, connection: SMTP, session: _Login, envelope: Envelope) -> str:
        assert session.credential is not None
        try:
            ids = await asyncio.to_thread(
                self._intake.accept, session.credential, [self._submission(session, envelope)]
            )
        except QuotaUsedUp as error:
            return f"452 4.5.3 {error}"
        except NoSuchCredential:
            return "535 5.7.8 This login was removed"
        except TooDeeplyNested:
            return "554 5.6.0 The message nests its parts too deeply"
        self.accepted()
        return f"250 2.0.0 OK: queued as {ids[0]}"

    async def handle_exception(self, error: Exception) -> str:
        """The client learns that it was not its fault; what happened stays in the log."""
        log.error("session failed", exc_info=error)
        return "451 4.3.0 The server cannot do this now, please try again later"

    def _submission(self, session: _Login, envelope: Envelope) -> Submission:
        assert isinstance(envelope.original_content, bytes)
        raw = stamped(
            envelope.original_content,
            host=self._host,
            client=session.host_name or "unknown",
            protocol="ESMTPSA" if session.ssl else "ESMTPA",
            at=self._now(),
        )
        sender = "" if envelope.mail_from in (None, "<>") else envelope.mail_from or ""
        return Submission(sender, tuple(dict.fromkeys(envelope.rcpt_tos)), raw, "smtp")
