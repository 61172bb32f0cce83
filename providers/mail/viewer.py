"""The routes of the viewer, below ``/dashboard/{uuid}``: who is signed on sees the messages of that one resource."""

import asyncio
import re
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import RedirectResponse

from providers.kit.app import CurrentSession
from providers.kit.dashboard import page, security_headers
from providers.kit.service import Refused, Unknown
from providers.kit.sso import Session, check_form
from providers.kit.store import ResourceStore
from providers.mail import mime, pages
from providers.mail.archive import Archive, Summary
from providers.mail.chart import daily_chart
from providers.mail.compose import Letter, Person, is_address
from providers.mail.credentials import Credential, Credentials
from providers.mail.http_api import HttpApi, Problem
from providers.mail.mime import Mail
from providers.mail.service import MailService

# The frame's document inherits this policy, so the page must allow the inline styles of the mail; scripts nobody may.
_MESSAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none';"
    " frame-ancestors 'self'"
)
_TEST_TEXT = "This is how a mail of your app looks here: with its text, its HTML, its headers and its source."
_TEST_HTML = f'<p style="font-family: sans-serif">{_TEST_TEXT}</p>'
_DOWNLOAD_POLICY = "default-src 'none'; sandbox"


class Viewer:
    def __init__(
        self,
        service: MailService,
        store: ResourceStore,
        archive: Archive,
        credentials: Credentials,
        api: HttpApi,
        *,
        host: str,
        tls_required: bool,
    ) -> None:
        self._service = service
        self._store = store
        self._archive = archive
        self._credentials = credentials
        self._api = api
        self._host = host
        self._tls_required = tls_required
        self.router = APIRouter(prefix="/dashboard/{uuid}")
        for path, route in (
            ("", self.overview),
            ("/messages/{id}", self.message),
            ("/messages/{id}/raw", self.raw),
            ("/messages/{id}/download", self.download),
            ("/messages/{id}/attachments/{number}", self.attachment),
        ):
            self.router.add_api_route(path, route, methods=["GET"])
        self.router.add_api_route("/test", self.send_test, methods=["POST"])

    async def overview(
        self,
        session: CurrentSession,
        q: Annotated[str, Query(max_length=200)] = "",
        page_number: Annotated[int, Query(alias="page", ge=1, le=1_000_000)] = 1,
    ) -> Response:
        title = self._store.get(session.uuid).name or "Mail"
        return await asyncio.to_thread(self._overview, title, session, q, page_number)

    def _overview(self, title: str, session: Session, search: str, number: int) -> Response:
        resource = str(session.uuid)
        credential = self._credential(resource)
        limit = credential.plan.mails_per_day
        body = pages.overview(
            f"/dashboard/{resource}",
            self._archive.page(resource, search, number),
            search,
            pages.quota_meter(self._archive.sent_today(resource), limit),
            daily_chart(self._archive.sent_per_day(resource), limit),
            pages.access_facts(self._host, self._service.smtp_port, credential.username, self._tls_required)
            + pages.test_form(f"/dashboard/{resource}", session.form_token, _test_address(session, credential)),
        )
        return page(title, body, f"Mail, plan {credential.plan.slug}: {credential.plan.summary()}")

    async def send_test(self, session: CurrentSession, form_token: Annotated[str, Form()] = "") -> Response:
        """A mail from the login to the user who is signed on, so that an empty viewer has something to show."""
        check_form(session, form_token)
        credential = await asyncio.to_thread(self._credential, str(session.uuid))
        sender, reader = Person(email=credential.username), Person(email=_test_address(session, credential))
        letter = Letter(sender=sender, to=[reader], subject="A test mail", text=_TEST_TEXT, html=_TEST_HTML)
        try:
            await self._api.accept(credential, [letter])
        except Problem as problem:
            raise Refused(problem.message, status=problem.status) from None
        return RedirectResponse(f"/dashboard/{session.uuid}", 303, {"Cache-Control": "no-store"})

    def _credential(self, resource: str) -> Credential:
        credential = self._credentials.find(resource)
        if credential is None:
            raise Unknown
        return credential

    async def message(self, session: CurrentSession, id: str) -> Response:
        resource = str(session.uuid)
        summary, mail, _ = await self._read(resource, id)
        deliveries = await asyncio.to_thread(self._archive.deliveries, resource, id)
        body = pages.message(f"/dashboard/{resource}", summary, mail, deliveries)
        response = page(summary.subject.strip() or "(no subject)", body)
        response.headers["Content-Security-Policy"] = _MESSAGE_POLICY
        return response

    async def raw(self, session: CurrentSession, id: str) -> Response:
        _, _, raw = await self._read(str(session.uuid), id)
        return _content(raw, "text/plain; charset=utf-8", "inline")

    async def download(self, session: CurrentSession, id: str) -> Response:
        summary, _, raw = await self._read(str(session.uuid), id)
        return _content(raw, "message/rfc822", _as_file(f"{summary.subject.strip()[:80] or 'message'}.eml"))

    async def attachment(self, session: CurrentSession, id: str, number: str) -> Response:
        """A file as bytes to be saved, whatever type its sender gave it."""
        _, mail, _ = await self._read(str(session.uuid), id)
        if not re.fullmatch("[0-9]{1,4}", number) or not 1 <= int(number) <= len(mail.attachments):
            raise Unknown("There is no such attachment.")
        file = mail.attachments[int(number) - 1]
        return _content(file.content, "application/octet-stream", _as_file(file.filename))

    async def _read(self, resource: str, id: str) -> tuple[Summary, Mail, bytes]:
        found = await asyncio.to_thread(self._archive.find, resource, id)
        if found is None:
            raise Unknown("There is no such message, or it is older than the plan keeps it.")
        summary, raw = found
        return summary, await asyncio.to_thread(mime.read, raw), raw


def _test_address(session: Session, credential: Credential) -> str:
    """The user's own, as far as the broker vouched for one that a mail can be sent to."""
    return session.user.email if is_address(session.user.email) else credential.username


def _content(content: bytes, kind: str, disposition: str) -> Response:
    headers = security_headers() | {"Content-Security-Policy": _DOWNLOAD_POLICY, "Content-Disposition": disposition}
    return Response(content, media_type=kind, headers=headers)


def _as_file(name: str) -> str:
    """A ``Content-Disposition`` that cannot be broken out of and names no directory."""
    name = re.sub(r"[\x00-\x1f\x7f/\\]", "_", name).lstrip(".")[:150] or "file"
    plain = re.sub(r"[^A-Za-z0-9 ._()+-]", "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
