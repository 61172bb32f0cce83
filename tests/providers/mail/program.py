"""A running mail provider for the tests: its application, its SMTP server, a clock to turn, tenants to provision."""

import asyncio
import re
import smtplib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from html import unescape
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI

from providers.mail.app import create_app
from providers.mail.settings import MailSettings
from tests.providers import partner

MAIL_VARS = ["MAIL_USERNAME", "MAIL_PASSWORD", "MAIL_HOST", "MAIL_PORT", "MAIL_URL"]
SENDGRID_VARS = ["SENDGRID_USERNAME", "SENDGRID_PASSWORD", "SENDGRID_HOST", "SENDGRID_PORT"]

T = TypeVar("T")


@dataclass
class Clock:
    """The real time, moved by ``skew``."""

    skew: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.skew

    def move_to_noon(self) -> None:
        """To the last noon, so that no test of a daily quota runs into a real midnight. Back: what is signed ahead of time, such as
        a certificate, does not hold yet."""
        now = datetime.now(UTC)
        noon = now.replace(hour=12, minute=0, second=0)
        self.skew = (noon if noon <= now else noon - timedelta(days=1)) - now


@dataclass(frozen=True)
class Tenant:
    """One provisioned resource and its config vars by suffix."""

    uuid: UUID
    config: dict[str, str]

    @property
    def login(self) -> tuple[str, str]:
        return self.config["USERNAME"], self.config["PASSWORD"]

    async def smtp(self, use: Callable[[smtplib.SMTP], T], *, login: bool = True) -> T:
        """Speak SMTP with Python's own client, in a thread, as this tenant."""

        def speak() -> T:
            with smtplib.SMTP(
                self.config["HOST"], int(self.config["PORT"]), local_hostname="app.test", timeout=10
            ) as client:
                if login:
                    client.login(*self.login)
                return use(client)

        return await asyncio.to_thread(speak)

    async def send(self, mail: EmailMessage | None = None, **words: str) -> None:
        await self.smtp(lambda client: client.send_message(mail or letter(**words)))


@dataclass(frozen=True)
class Viewer:
    browser: httpx.AsyncClient
    home: str

    async def overview(self, **query: Any) -> str:
        answer = await self.browser.get(self.home, params=query)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def subjects(self, **query: Any) -> list[str]:
        """The subjects on a page of the list, unescaped."""
        return [unescape(words) for _, words in _ENTRY.findall(await self.overview(**query))]

    async def open(self, below: str = "", index: int = 0) -> httpx.Response:
        """The newest message (or the one that many further down), or a page below it."""
        path = _ENTRY.findall(await self.overview())[index][0]
        return await self.browser.get(path + below)


_ENTRY = re.compile(r'href="([^"]*/messages/[0-9a-f]+)">([^<]*)</a>')


@dataclass
class Program:
    app: FastAPI
    clock: Clock
    home: Path
    sign_ons: int = 0

    def calls(self, slug: str = "mail") -> httpx.AsyncClient:
        """A client that calls as the broker does."""
        return partner.client_of(self.app, auth=(slug, partner.PASSWORD))

    async def provision(self, plan: str = "starter", slug: str = "mail", uuid: UUID | None = None) -> Tenant:
        uuid = uuid or uuid4()
        async with self.calls(slug) as client:
            answer = await client.post("/heroku/resources", json=partner.provision_body(uuid, plan))
        assert answer.status_code == 201, answer.text
        config = {name.partition("_")[2]: value for name, value in answer.json()["config"].items()}
        return Tenant(uuid, config)

    @asynccontextmanager
    async def viewer(self, tenant: Tenant) -> AsyncIterator["Viewer"]:
        """A browser that signed on to the tenant's dashboard."""
        self.sign_ons += 1  # no two forms of the same second, as the broker mints them
        form = partner.sso_form(tenant.uuid, self.clock() - timedelta(seconds=self.sign_ons))
        async with partner.client_of(self.app) as browser:
            answer = await browser.post("/sso/login", data=form)
            assert answer.status_code == 303, answer.text
            yield Viewer(browser, answer.headers["location"])

    async def send_over_http(self, tenant: Tenant, **body: Any) -> httpx.Response:
        wanted = {"from": "app@example.com", "to": ["ada@example.com"], "subject": "Hello", "text": "Hi", **body}
        async with partner.client_of(self.app, auth=tenant.login) as client:
            return await client.post("/v1/messages", json=wanted)


@asynccontextmanager
async def mail_program(folder: Path, clock: Clock | None = None, **settings: Any) -> AsyncIterator[Program]:
    clock = clock or Clock()
    plans = ("starter", "bronze", "silver")
    manifests = (
        partner.write_manifest(folder, "mail", MAIL_VARS, "MAIL", plans),
        partner.write_manifest(folder, "sendgrid", SENDGRID_VARS, "SENDGRID", plans),
    )
    app = create_app(MailSettings(home=folder / "home", manifests=manifests, **settings), clock)
    async with app.router.lifespan_context(app):
        yield Program(app, clock, folder / "home")


def letter(
    subject: str = "Hello", text: str = "Good morning", html: str = "", to: str = "ada@example.com"
) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "app@example.com", to, subject
    mail.set_content(text)
    if html:
        mail.add_alternative(html, subtype="html")
    return mail
