"""What of a page would run, or lead somewhere, that is not ours: found as a browser reads pages."""

import json
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import Final

from tests.security.hostile import MARK

_ADDRESSES: Final = frozenset(
    "href src action formaction data srcset poster ping cite background manifest xlink:href".split()
)
_SCHEMES: Final = ("http://", "https://", "mailto:", "/", "?", "#")
_NEVER: Final = frozenset(("style", "srcdoc", "class", "rel", "target", "type", "http-equiv"))
_FOREIGN: Final = frozenset("iframe object embed base frame applet xssmark math foreignobject animate set".split())
_RUN: Final = ("script", "style")


class _Reader(HTMLParser):
    """Notes what a page must not have."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self._within: tuple[str, bool] | None = None

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        if tag in _FOREIGN or MARK in tag:
            self.faults.append(f"an element {tag}")
        for name, value in attrs:
            self._attribute(tag, name, (value or "").strip())
        if tag in _RUN:
            self._within = (tag, ("type", "application/ld+json") in attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in _RUN:
            self._within = None

    def handle_data(self, data: str) -> None:
        if self._within is None:
            return
        tag, is_data = self._within
        if is_data:
            json.loads(data)
        elif MARK in data:
            self.faults.append(f"the text within a {tag}")

    def _attribute(self, tag: str, name: str, value: str) -> None:
        if name.startswith("on") or MARK in name or name == "style":
            self.faults.append(f"<{tag} {name}>")
        elif _leads_astray(name, value) or (MARK in value and (name in _NEVER or name.startswith("hx-"))):
            self.faults.append(f"<{tag} {name}={value[:40]!r}>")


def _leads_astray(name: str, value: str) -> bool:
    return name in _ADDRESSES and value != "" and not value.startswith(_SCHEMES)


def faults_of(page: str) -> Iterator[str]:
    """What is wrong with a page."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    yield from reader.faults
