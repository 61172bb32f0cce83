"""One request and its answer, as the checks read them and the report shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from broker.testkit.redact import MASK, show_body, show_form, show_url

_SHOWN_HEADERS: Final = ("content-type", "location", "retry-after")


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent. `auth` is user and password of HTTP Basic; `form` is for a browser's sign-on."""

    method: str
    url: str
    auth: tuple[str, str] | None = None
    headers: Mapping[str, str] | None = None
    content: bytes | None = None
    form: Mapping[str, str] | None = None

    def __str__(self) -> str:
        lines = [f"{self.method} {show_url(self.url)}"]
        if self.auth:
            lines.append(f"Authorization: Basic {self.auth[0]}:{MASK}")
        lines += [f"{name}: {value}" for name, value in (self.headers or {}).items()]
        body = show_form(self.form) if self.form else show_body(self.content or b"")
        return "\n".join([*lines, "", body] if body else lines)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request with its answer, or with the reason why there is none. Units: `seconds` until the answer was whole."""

    request: Request
    seconds: float
    status: int = 0
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    lost: str | None = None
    late: bool = False
    """Whether it was lost because nobody waited any longer."""
    then: str = ""
    """What followed it through the callback server."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def content_type(self) -> str:
        return (self.headers or {}).get("content-type", "").partition(";")[0].strip().lower()

    @property
    def data(self) -> Any:
        """The body as JSON, None when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def message(self) -> str | None:
        """The sentence for the user, if the answer has one."""
        text = self.data.get("message") if isinstance(self.data, dict) else None
        return text if isinstance(text, str) and text.strip() else None

    @property
    def config(self) -> dict[str, Any]:
        found = self.data.get("config") if isinstance(self.data, dict) else None
        return found if isinstance(found, dict) else {}

    @property
    def provider_id(self) -> str | None:
        found = self.data.get("id") if isinstance(self.data, dict) else None
        return str(found) if isinstance(found, (str, int)) and not isinstance(found, bool) and str(found) else None

    def answer(self) -> str:
        """What was received, as text."""
        if self.lost is not None:
            return f"no answer after {self.seconds:.1f} s: {self.lost}"
        shown = [
            f"{name.title()}: {_without_query(value) if name == 'location' else value}"
            for name in _SHOWN_HEADERS
            if (value := (self.headers or {}).get(name))
        ]
        body = show_body(self.body)
        return "\n".join([f"{self.status} after {self.seconds:.2f} s", *shown, *(["", body] if body else [])])


def _without_query(url: str) -> str:
    return urlsplit(url)._replace(query=MASK).geturl() if "?" in url else url
