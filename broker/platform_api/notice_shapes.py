"""The shapes of notices and mails. Outside the public schema of Heroku."""

from __future__ import annotations

from typing_extensions import TypedDict


class Notice(TypedDict):
    """Something that the account was told by mail."""

    id: str
    kind: str
    subject: str
    text: str | None
    created_at: str


class Mail(TypedDict):
    """A mail of this installation. `kept`: none is sent, and operators hand it on."""

    id: str
    to: str
    kind: str
    subject: str
    state: str
    attempts: int
    last_error: str | None
    created_at: str
    finished_at: str | None


class WholeMail(Mail):
    """The same with its text; null when what it is about can no longer be told."""

    text: str | None


class Invitation(TypedDict):
    """Somebody was sent a link with which to make an account."""

    email: str
