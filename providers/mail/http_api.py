"""The HTTP send API, ``POST /v1/messages``, and the part of SendGrid's that its clients use to send, ``POST /v3/mail/send``.

Both authenticate as the SMTP server does and share its quotas. What a letter may contain: ``compose``.
"""

import asyncio
import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from providers.mail.compose import File, Letter, OneLine, Person, Words
from providers.mail.credentials import Credential, Credentials
from providers.mail.messages import Intake, NoSuchCredential, QuotaUsedUp, Submission
from providers.mail.trace import stamped

B = TypeVar("B", bound=BaseModel)

_REQUEST_OF_MESSAGES = 4


class Problem(Exception):
    """An answer other than 202. ``id`` is stable, ``message`` is for people."""

    def __init__(self, status: int, id: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.id, self.message, self.headers = status, id, message, headers


class _Content(BaseModel):
    type: str
    value: Words


class _Personalization(BaseModel):
    to: list[Person] = Field(min_length=1)
    cc: list[Person] = []
    bcc: list[Person] = []
    subject: OneLine | None = None


class _Attachment(BaseModel):
    content: str
    filename: OneLine
    type: str = "application/octet-stream"


class _SendGridMail(BaseModel):
    """Fields that concern templates, tracking and scheduling are unknown here and ignored."""

    model_config = ConfigDict(populate_by_name=True)

    personalizations: list[_Personalization] = Field(min_length=1, max_length=1000)
    sender: Person = Field(alias="from")
    reply_to: Person | None = None
    subject: OneLine = ""
    content: list[_Content] = Field(min_length=1)
    attachments: list[_Attachment] = []

    def letters(self) -> list[Letter]:
        bodies = {each.type: each.value for each in self.content}
        return [
            Letter(
                sender=self.sender,
                to=each.to,
                cc=each.cc,
                bcc=each.bcc,
                reply_to=self.reply_to,
                subject=each.subject if each.subject is not None else self.subject,
                text=bodies.get("text/plain"),
                html=bodies.get("text/html"),
                attachments=[File(filename=f.filename, content=f.content, type=f.type) for f in self.attachments],
            )
            for each in self.personalizations
        ]


class HttpApi:
    def __init__(
        self,
        credentials: Credentials,
        intake: Intake,
        now: Callable[[], datetime],
        *,
        host: str,
        message_limit: int,
        recipients_limit: int,
        accepted: Callable[[], None],
    ) -> None:
        self._credentials = credentials
        self._intake = intake
        self._now = now
        self._host = host
        self._message_limit = message_limit
        self._recipients_limit = recipients_limit
        self._accepted = accepted
        self.router = APIRouter()
        self.router.add_api_route("/v1/messages", self.send, methods=["POST"])
        self.router.add_api_route("/v3/mail/send", self.send_as_sendgrid, methods=["POST"])

    async def send(self, request: Request) -> Response:
        """One message: 202 with its id."""
        try:
            credential = await self._authenticate(request)
            letter = _parse(Letter, await request.body())
            ids = await self.accept(credential, [letter])
        except Problem as problem:
            return JSONResponse({"id": problem.id, "message": problem.message}, problem.status, problem.headers)
        return JSONResponse({"id": ids[0]}, 202)

    async def send_as_sendgrid(self, request: Request) -> Response:
        """A message per personalization, all of them or none: 202 without a body, the id of the first in a header."""
        try:
            credential = await self._authenticate(request)
            letters = _letters(_parse(_SendGridMail, await request.body()))
            ids = await self.accept(credential, letters)
        except Problem as problem:
            errors = [{"message": problem.message, "field": None, "help": None}]
            return JSONResponse({"errors": errors}, problem.status, problem.headers)
        return Response(status_code=202, headers={"X-Message-Id": ids[0]})

    async def _authenticate(self, request: Request) -> Credential:
        """Basic with username and password, or Bearer with the password alone.

        Raises: Problem.
        """
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        credential: Credential | None = None
        if scheme.lower() == "basic":
            username, password = _basic(value)
            credential = await asyncio.to_thread(self._credentials.check, username, password)
            if credential is None and username == "apikey":  # what SendGrid's clients send as the name
                credential = await asyncio.to_thread(self._credentials.check_key, password)
        elif scheme.lower() == "bearer":
            credential = await asyncio.to_thread(self._credentials.check_key, value.strip())
        if credential is None:
            challenge = {"WWW-Authenticate": 'Basic realm="mail", Bearer realm="mail"'}
            raise Problem(401, "unauthorized", "The username or the password is wrong.", challenge)
        return credential

    async def accept(self, credential: Credential, letters: list[Letter]) -> list[str]:
        """Take letters in, all or none, and give the ids of the messages.

        Raises: Problem.
        """
        if any(len(letter.recipients()) > self._recipients_limit for letter in letters):
            raise Problem(422, "too_many_recipients", f"A message may have {self._recipients_limit} recipients.")
        submissions = await asyncio.to_thread(self._submissions, letters)
        try:
            ids = await asyncio.to_thread(self._intake.accept, credential, submissions)
        except QuotaUsedUp as error:
            seconds = int((error.fresh_at - self._now()).total_seconds()) + 1
            raise Problem(429, "quota_used_up", f"{error}.", {"Retry-After": str(seconds)}) from None
        except NoSuchCredential:
            raise Problem(401, "unauthorized", "This login was removed.") from None
        self._accepted()
        return ids

    def _submissions(self, letters: list[Letter]) -> list[Submission]:
        """Raises: Problem, also when the letters of one request, each with its copy of the attachments, are too much."""
        submissions: list[Submission] = []
        room = _REQUEST_OF_MESSAGES * self._message_limit
        for letter in letters:
            submissions.append(self._submission(letter))
            size = len(submissions[-1].raw)
            room -= size
            if size > self._message_limit or room < 0:
                text = f"A message may have {self._message_limit} bytes, a request {_REQUEST_OF_MESSAGES} times that."
                raise Problem(413, "message_too_large", text)
        return submissions

    def _submission(self, letter: Letter) -> Submission:
        raw = stamped(letter.as_bytes(), host=self._host, client="an-http-client", protocol="HTTP", at=self._now())
        return Submission(letter.sender.email, letter.recipients(), raw, "http")


def _parse(kind: type[B], body: bytes) -> B:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise _invalid(error) from None


def _letters(mail: _SendGridMail) -> list[Letter]:
    try:
        return mail.letters()
    except ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: ValidationError) -> Problem:
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    if any(fault["type"] == "json_invalid" for fault in faults):
        return Problem(400, "invalid_json", "The body is not JSON.")
    texts = [f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in faults[:5]]
    return Problem(422, "invalid_message", "; ".join(texts))


def _basic(value: str) -> tuple[str, str]:
    try:
        username, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return username, password
