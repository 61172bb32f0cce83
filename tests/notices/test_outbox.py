"""The outbox on a real database, the words, and how they reach a real SMTP server."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from sqlalchemy import select, update

from broker.faces.mails.letters import Letters
from broker.kernel.context import Actor, Context
from broker.kernel.secret import Secret
from broker.local.mailbox import Mailbox
from broker.notices.letters import Envelope as Mail
from broker.notices.letters import Fate, Letter, Receipt
from broker.notices.models import Notice
from broker.notices.outbox import notify, notify_address, send_secrets
from broker.notices.queries import list_notices
from broker.notices.send import look_after_notices, send_notice
from broker.outbound.mailer import Folder, Nowhere, Smtp, SmtpServer
from providers.mail import tls

LETTERS = Letters("https://broker.example.com")
DEVICE: dict[str, Any] = {
    "email": "alice@example.com",
    "at": "2026-11-21T09:54:07Z",
    "description": "Firefox on Linux",
    "address": "192.0.2.7",
}


@dataclass
class Postman:
    """Answers as it is told, and remembers what it was given."""

    fates: list[Fate] = field(default_factory=list)
    given: list[Mail] = field(default_factory=list)

    async def __call__(self, envelope: Mail, /) -> Receipt:
        self.given.append(envelope)
        return Receipt(self.fates.pop(0) if self.fates else Fate.SENT, "so it is")


async def rows(ctx: Context) -> list[Any]:
    async with ctx.database.transaction() as tx:
        return list((await tx.execute(select(Notice.__table__).order_by(Notice.created_at, Notice.id))).all())


async def only(ctx: Context) -> Any:
    [row] = await rows(ctx)
    return row


async def told(ctx: Context, user: Actor, key: str | None = None) -> UUID:
    async with ctx.database.transaction() as tx:
        await notify(tx, user.id, "session.new_device", DEVICE, ctx.clock.now(), key)
    return (await rows(ctx))[-1].id


async def test_a_notice_with_a_key_is_given_once_and_its_user_may_read_it(
    ctx: Context, alice: Actor, mallory: Actor
) -> None:
    await told(ctx, alice, "once")
    await told(ctx, alice, "once")
    assert [view.kind for view in await list_notices(ctx, alice)] == ["session.new_device"]
    assert await list_notices(ctx, mallory) == []


async def test_it_is_sent_once_however_often_the_job_runs_and_tried_again_with_the_same_id(
    ctx: Context, alice: Actor, clock: Any
) -> None:
    notice, post = await told(ctx, alice), Postman([Fate.FAILED])
    for _ in range(2):
        await send_notice(ctx, LETTERS, post, notice)
    waiting = await only(ctx)
    assert (waiting.state, waiting.due_at - ctx.clock.now(), waiting.last_error) == (
        "waiting",
        timedelta(minutes=1),
        "so it is",
    )
    assert await look_after_notices(ctx) == 0
    clock.advance(minutes=2)
    assert await look_after_notices(ctx) == 1
    for _ in range(3):
        await send_notice(ctx, LETTERS, post, notice)
    assert [(mail.id, mail.address) for mail in post.given] == [(notice, "alice@example.com")] * 2
    assert ((await only(ctx)).state, await look_after_notices(ctx)) == ("sent", 0)


@pytest.mark.parametrize(("fates", "days", "sent"), [([Fate.REFUSED], 0, 1), ([Fate.FAILED] * 40, 4, 1)])
async def test_what_nobody_takes_is_given_up(
    ctx: Context, alice: Actor, clock: Any, fates: list[Fate], days: int, sent: int
) -> None:
    notice, post = await told(ctx, alice), Postman(fates)
    await send_notice(ctx, LETTERS, post, notice)
    clock.advance(days=days)
    await send_notice(ctx, LETTERS, post, notice)
    assert ((await only(ctx)).state, len(post.given)) == ("given_up", sent)


async def test_whoever_was_too_slow_does_not_settle_what_another_has_taken(
    ctx: Context, alice: Actor, clock: Any
) -> None:
    notice, inner = await told(ctx, alice), Postman()

    async def slow(envelope: Mail, /) -> Receipt:
        clock.advance(minutes=5)
        await send_notice(ctx, LETTERS, inner, notice)
        return Receipt(Fate.FAILED, "late")

    await send_notice(ctx, LETTERS, slow, notice)
    assert ((await only(ctx)).state, len(inner.given)) == ("sent", 1)


async def test_secrets_are_sealed_reach_the_mail_and_are_gone_when_it_was_sent(ctx: Context, clock: Any) -> None:
    class Plain:
        def letter(self, kind: str, facts: Any) -> Letter:
            return Letter(kind, facts["token"], "")

    async def put() -> UUID:
        async with ctx.database.transaction() as tx:
            at = ctx.clock.now()
            secret = {"token": Secret("only-for-you")}
            await send_secrets(
                tx, ctx.vault, "new@example.com", "sign_up.confirm", {}, secret, at, at + timedelta(hours=1)
            )
        return (await rows(ctx))[-1].id

    notice, post = await put(), Postman()
    assert "only-for-you" not in repr(await only(ctx))
    await send_notice(ctx, Plain(), post, notice)
    assert post.given[0].letter.text == "only-for-you"
    assert (await only(ctx)).data_key is None
    clock.advance(minutes=1)
    kept = await put()
    await send_notice(ctx, Plain(), Nowhere(), kept)
    assert (await rows(ctx))[-1].data_key is not None
    clock.advance(hours=2)
    await look_after_notices(ctx)
    assert (await rows(ctx))[-1].data_key is None


class Server:
    """What an SMTP server has taken, and what it says to whom."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.refusal = ""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name and arguments
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.refusal:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        assert isinstance(envelope.content, bytes)
        parsed = BytesParser(policy=policy.default).parsebytes(envelope.content)
        assert isinstance(parsed, EmailMessage)
        self.taken.append(parsed)
        return "250 OK"


@asynccontextmanager
async def smtp_server(handler: Server, **options: Any) -> AsyncIterator[int]:
    def check(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == b"right", handled=False)

    def factory() -> SMTP:
        return SMTP(handler, authenticator=check, auth_require_tls=False, hostname="localhost", **options)

    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def post_to(port: int, password: str = "right") -> Smtp:
    return Smtp(SmtpServer.parse(f"smtp://broker:{password}@127.0.0.1:{port}"), "Addon Broker <mail@example.com>")


@pytest.mark.filterwarnings("ignore:Session.login_data:DeprecationWarning")
async def test_it_arrives_with_text_and_html_and_no_name_makes_a_header_of_its_own(ctx: Context, alice: Actor) -> None:
    evil = DEVICE | {"description": "Fire\r\nBcc: all@example.com\r\n\r\nfox <script>alert(1)</script>"}
    async with ctx.database.transaction() as tx:
        await notify(tx, alice.id, "session.new_device", evil, ctx.clock.now())
    handler = Server()
    async with smtp_server(handler) as port:
        await send_notice(ctx, LETTERS, post_to(port), (await only(ctx)).id)
    assert (await only(ctx)).state == "sent", (await only(ctx)).last_error
    [mail] = handler.taken
    assert (mail["To"], mail["From"], mail["Bcc"]) == ("alice@example.com", "Addon Broker <mail@example.com>", None)
    assert mail["Message-ID"] == f"<{(await only(ctx)).id}@example.com>"
    assert mail["Subject"].startswith("Somebody signed in with Fire Bcc: all@example.com fox")
    text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert "https://broker.example.com/account/security" in text.get_content()
    assert "<script>" not in html.get_content()
    assert "&lt;script&gt;" in html.get_content()


@pytest.mark.filterwarnings("ignore:Session.login_data:DeprecationWarning")
@pytest.mark.parametrize(
    ("refusal", "password", "fate", "told"),
    [
        ("550 no such user", "right", Fate.REFUSED, "550 no such user"),
        ("451 come back later", "right", Fate.FAILED, "451 come back later"),
        ("", "wrong", Fate.FAILED, "the mail server refuses our login (535)"),
    ],
)
async def test_what_a_server_says_decides_whether_it_is_tried_again(
    ctx: Context, refusal: str, password: str, fate: Fate, told: str
) -> None:
    handler = Server()
    handler.refusal = refusal
    mail = Mail(UUID(int=1), "alice@example.com", Letter("a", "b", "c"), ctx.clock.now())
    async with smtp_server(handler) as port:
        receipt = await post_to(port, password)(mail)
    assert (receipt.fate, receipt.error) == (fate, told)
    assert handler.taken == []
    assert (await post_to(port)(mail)).fate is Fate.FAILED  # it is gone now


async def test_a_server_that_offers_tls_must_show_a_certificate_that_is_trusted(ctx: Context, tmp_path: Path) -> None:
    certificate, key = tls.ensure_self_signed(tmp_path, "localhost", datetime.now(UTC))
    handler, mail = Server(), Mail(UUID(int=1), "alice@example.com", Letter("a", "b", "c"), ctx.clock.now())
    async with smtp_server(handler, tls_context=tls.server_context(certificate, key), require_starttls=True) as port:
        server = SmtpServer.parse(f"smtp://localhost:{port}")
        assert (await Smtp(server, "mail@example.com")(mail)).fate is Fate.FAILED
        assert handler.taken == []
        trusting = ssl.create_default_context(cafile=certificate)
        assert (await Smtp(server, "mail@example.com", trusting)(mail)).fate is Fate.SENT


@pytest.mark.parametrize("url", ["http://a", "smtp://", "smtp://host/path", "smtp://host?x=1", "mail.example.com"])
def test_what_is_no_mail_server_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="must be smtp://"):
        SmtpServer.parse(url)


def test_the_ports_are_those_of_submission_and_no_password_is_shown() -> None:
    server = SmtpServer.parse("smtps://us%40er:pass%3Aword@mail.example.com")
    assert (server.port, server.is_tls, server.user) == (465, True, "us@er")
    assert "pass:word" not in repr(server)
    assert SmtpServer.parse("smtp://mail.example.com").port == 587


async def test_mail_in_a_folder_is_read_once_and_by_its_owner_alone(ctx: Context, tmp_path: Path) -> None:
    folder = tmp_path / "mails"
    post = Folder(folder, "mail@example.com")
    letter = Letter("Hello", "https://broker.example.com/confirm?token=x", "<p>Hello</p>")
    assert (await post(Mail(UUID(int=1), "alice@example.com", letter, ctx.clock.now()))).fate is Fate.KEPT
    box = Mailbox(folder)
    assert box.fresh() == []
    await post(Mail(UUID(int=2), "bob@example.com", letter, ctx.clock.now()))
    [mail] = box.fresh()
    assert (mail.to, mail.subject, mail.text.strip()) == ("bob@example.com", "Hello", letter.text)
    assert (mail.file.stat().st_mode & 0o777, box.fresh()) == (0o600, [])


async def test_an_address_that_is_none_is_refused_and_breaks_nothing(ctx: Context) -> None:
    async with ctx.database.transaction() as tx:
        await notify_address(tx, "a@b\r\nBcc: c@d", "session.new_device", DEVICE, ctx.clock.now())
    await send_notice(ctx, LETTERS, post_to(1), (await only(ctx)).id)
    assert (await only(ctx)).state == "given_up"


async def test_a_kind_without_words_is_given_up(ctx: Context, alice: Actor) -> None:
    notice = await told(ctx, alice)
    async with ctx.database.transaction() as tx:
        await tx.execute(update(Notice).values(kind="no.such"))
    await send_notice(ctx, LETTERS, Postman(), notice)
    assert (await only(ctx)).state == "given_up"
