"""Keeps secrets out of what the kit shows: known ones are masked anywhere, config values and tokens by their place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

MASK: Final = "***"
_SHORTEST: Final = 6
"""Shorter values (a port, "true") occur by chance, and are masked by their place only."""

_PRIVATE: Final = frozenset(
    (
        "token", "resource_token", "user_scoped_resource_token", "code", "client_secret", "access_token", "refresh_token",
        "password", "log_input_url", "logplex_token", "log_drain_token",
    )
)  # fmt: skip
_LONGEST: Final = 4000


class Redactor:
    """Learns secrets while the run goes on, and masks all of them in the end."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def learn(self, *values: str) -> None:
        for value in values:
            if len(value) >= _SHORTEST:
                self._known.add(value)

    def learn_config(self, config: Mapping[str, object]) -> None:
        """Config values, and the passwords inside those that are URLs."""
        for value in config.values():
            if isinstance(value, str):
                self.learn(value, *_passwords(value))

    def clean(self, text: str) -> str:
        """The text with every known secret masked, shortened if it is long, and such as any file or terminal takes."""
        for secret in sorted(self._known, key=len, reverse=True):
            text = text.replace(secret, MASK)
        text = text.encode("utf-8", errors="backslashreplace").decode()  # JSON may hold half of a character
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n… ({len(text)} characters)"


def show_body(body: bytes) -> str:
    """A body as text: JSON with indents and without private values, a form likewise, anything else as it is."""
    if not body:
        return ""
    text = body.decode("utf-8", errors="replace")
    try:
        return json.dumps(_masked(json.loads(text)), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def show_form(form: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={MASK if name in _PRIVATE else value}" for name, value in form.items())


def show_url(url: str) -> str:
    """The URL with the private values of its query masked."""
    parts = urlsplit(url)
    query = [(name, MASK if name in _PRIVATE else value) for name, value in parse_qsl(parts.query)]
    return parts._replace(query=urlencode(query, safe="*")).geturl() if parts.query else url


def _masked(value: object) -> object:
    if isinstance(value, dict):
        return {key: _masked_at(key, each) for key, each in value.items()}
    return [_masked(each) for each in value] if isinstance(value, list) else value


def _masked_at(key: str, value: object) -> object:
    if key == "config" and isinstance(value, dict):
        return dict.fromkeys(value, MASK)
    if key == "config" and isinstance(value, list):
        return [{**each, "value": MASK} if isinstance(each, dict) else MASK for each in value]
    return MASK if key in _PRIVATE and value is not None else _masked(value)


def _passwords(url: str) -> tuple[str, ...]:
    try:
        password = urlsplit(url).password
    except ValueError:
        return ()
    return (password, unquote(password)) if password else ()
