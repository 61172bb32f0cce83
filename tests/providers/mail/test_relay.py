"""Relaying to an upstream: a second real SMTP server that accepts, hesitates, refuses or is not there."""
# ruff: noqa: N802 (the library finds its hooks by these names)

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from providers.mail import tls
from tests.providers.mail.program import Program, Tenant, mail_program


@dataclass
class Upstream:
    """Takes mail for everybody but ``refuse@``; the first offers of mail to ``later@`` are put off."""

    putting_off: int = 0
    offers: int = 0
    received: asyncio.Queue[Envelope] = field(default_factory=asyncio.Queue)

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if address.startswith("refuse@"):
            return "550 5.1.1 No such user here"
        if address.startswith("later@"):
            self.offers += 1
            if self.offers <= self.putting_off:
                return "451 4.7.1 Please come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:
        self.received.put_nowait(envelope)
        return "250 taken"

    async def next(self) -> Envelope:
        return await asyncio.wait_for(self.received.get(), 10)


@asynccontextmanager
async def upstream(putting_off: int = 0, port: int = 0, **options: Any) -> AsyncIterator[tuple[Upstream, int]]:
    handler = Upstream(putting_off)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="upstream.test", loop=loop, enable_SMTPUTF8=True, **options), "127.0.0.1", port
    )
    try:
        yield handler, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def delivery_table(program: Program, tenant: Tenant, until: str) -> str:
    """The message page, once it says ``until``."""
    async with program.viewer(tenant) as viewer, asyncio.timeout(10):
        while until not in (page := (await viewer.open()).text):  # noqa: ASYNC110 (the page is all there is to look at)
            await asyncio.sleep(0.02)
    return page


async def test_mail_is_handed_to_the_upstream_and_the_viewer_says_so(tmp_path: Path) -> None:
    async with upstream() as (other, port), mail_program(tmp_path, upstream=f"smtp://127.0.0.1:{port}") as program:
        tenant = await program.provision()
        await tenant.send(subject="Onwards", text="Grüße\n.leading dot")
        envelope = await other.next()
        await delivery_table(program, tenant, "handed to the relay")
    assert envelope.mail_from == "app@example.com"
    assert envelope.rcpt_tos == ["ada@example.com"]
    assert isinstance(envelope.content, bytes)
    assert b"Subject: Onwards\r\n" in envelope.content
    assert b"\r\n.leading dot" in envelope.content


async def test_mail_of_the_http_api_is_relayed_too(tmp_path: Path) -> None:
    async with upstream() as (other, port), mail_program(tmp_path, upstream=f"smtp://127.0.0.1:{port}") as program:
        assert (await program.send_over_http(await program.provision())).status_code == 202
        assert (await other.next()).rcpt_tos == ["ada@example.com"]


async def test_a_refused_recipient_fails_and_a_hesitant_one_is_tried_again(tmp_path: Path) -> None:
    async with (
        upstream(putting_off=2) as (other, port),
        mail_program(tmp_path, upstream=f"smtp://127.0.0.1:{port}", upstream_retry_s=0.02) as program,
    ):
        tenant = await program.provision()
        people = ["ada@example.com", "refuse@example.com", "later@example.com"]
        await tenant.smtp(lambda client: client.sendmail("app@example.com", people, "Subject: All\r\n\r\nhi"))
        assert (await other.next()).rcpt_tos == ["ada@example.com"]
        assert (await other.next()).rcpt_tos == ["later@example.com"]
        page = await delivery_table(program, tenant, "<td>later@example.com</td><td>handed to the relay</td><td>3</td>")
    assert "<td>refuse@example.com</td><td>refused by the relay</td><td>1</td><td>550 5.1.1" in page


async def test_mail_waits_for_an_upstream_that_is_not_there_also_across_a_restart(tmp_path: Path) -> None:
    port = free_port()
    settings: dict[str, Any] = {"upstream": f"smtp://127.0.0.1:{port}", "upstream_retry_s": 0.02}
    async with mail_program(tmp_path, **settings) as program:
        tenant = await program.provision()
        await tenant.send(subject="Patience")
        page = await delivery_table(program, tenant, "The upstream could not be reached")
        assert "waiting for the relay" in page
    async with upstream(port=port) as (other, _), mail_program(tmp_path, **settings):
        assert b"Subject: Patience" in bytes((await other.next()).original_content or b"")


async def test_the_relay_speaks_tls_and_checks_the_upstreams_certificate(tmp_path: Path) -> None:
    certificate, key = tls.ensure_self_signed(tmp_path, "localhost", datetime.now(UTC))
    context = tls.server_context(certificate, key)
    async with upstream(tls_context=context, require_starttls=True) as (other, port):
        url = f"smtp://localhost:{port}"
        (tmp_path / "distrusting").mkdir()
        async with mail_program(tmp_path / "distrusting", upstream=url) as program:
            tenant = await program.provision()
            await tenant.send()
            await delivery_table(program, tenant, "The upstream could not be reached")
        assert other.received.empty()
        (tmp_path / "trusting").mkdir()
        async with mail_program(tmp_path / "trusting", upstream=url, upstream_ca=certificate) as program:
            await (await program.provision()).send()
            assert (await other.next()).rcpt_tos == ["ada@example.com"]


async def test_a_start_that_fails_for_a_taken_port_says_so_and_ends(tmp_path: Path) -> None:
    async with upstream() as (_, taken):
        settings: dict[str, Any] = {"smtp_port": taken, "upstream": f"smtp://127.0.0.1:{taken}"}
        with pytest.raises(OSError, match="address already in use"):
            async with mail_program(tmp_path, **settings):
                pass


async def test_the_relay_logs_in_to_an_upstream_that_wants_it(tmp_path: Path) -> None:
    logins: list[tuple[bytes, bytes]] = []

    def check(_: SMTP, __: Session, ___: Envelope, ____: str, given: Any) -> AuthResult:
        logins.append((given.login, given.password))
        return AuthResult(success=True)

    async with (
        upstream(authenticator=check, auth_require_tls=False) as (other, port),
        mail_program(tmp_path, upstream=f"smtp://us%40er:pass%3Aword@127.0.0.1:{port}") as program,
    ):
        await (await program.provision()).send()
        await other.next()
    assert logins == [(b"us@er", b"pass:word")]
