"""The shapes of signing command lines in with a browser, as the Heroku CLI reads them; `code` and `authorization` are ours."""

from __future__ import annotations

from typing_extensions import TypedDict


class CliLogin(TypedDict):
    """A login that has begun. The URLs are paths on this host; `code` is also on the page that the user opens."""

    browser_url: str
    cli_url: str
    token: str
    code: str


class CliLoginResult(TypedDict):
    """What came of it; all null while the user has not decided."""

    access_token: str | None
    authorization: str | None
    error: str | None
