"""Reading JSON key by key while collecting faults instead of stopping at the first. Knows nothing of manifests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from broker.catalog.faults import Fault

# What PostgreSQL or a terminal cannot take: controls, and surrogates that stand alone.
_UNFIT: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNFIT_IN_LINES: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_DEEPEST: Final = 20
_LARGEST_INTEGER: Final = 2**63


@dataclass(frozen=True, slots=True)
class TextRule:
    """What a string must look like. `hint` completes "must be" when the pattern does not fit."""

    longest: int
    pattern: re.Pattern[str] | None = None
    hint: str = ""
    lines: bool = False

    def complaint(self, text: str) -> str | None:
        """What is wrong with `text`, or None."""
        if not text.strip():
            return "is empty: give it a value or leave it out."
        if len(text) > self.longest:
            return f"has {len(text)} characters: shorten it to {self.longest} at most."
        if (_UNFIT_IN_LINES if self.lines else _UNFIT).search(text):
            return "contains control characters: remove them."
        if self.pattern is not None and not self.pattern.fullmatch(text):
            return f"must be {self.hint}."
        return None


class Node:
    """A JSON object at a place. Each reader returns something usable and notes a fault when the value does not fit."""

    def __init__(self, value: Mapping[str, object], path: str, faults: list[Fault]) -> None:
        self._value = value
        self._faults = faults
        self.path = path

    def fault(self, key: str, message: str) -> None:
        """Note what is wrong at `key`, or with the object itself when it is empty."""
        place = f"/{_escaped(key)}" if key else ""
        self._faults.append(Fault(self.path + place, message))

    def has(self, key: str) -> bool:
        """Whether there is a value; null is as good as none."""
        return self._value.get(key) is not None

    def keys(self) -> list[str]:
        return list(self._value)

    def raw(self, key: str) -> object:
        """What stands at `key`, unchecked."""
        return self._value.get(key)

    def text(self, key: str, rule: TextRule) -> str | None:
        """The string at `key`, or None when there is none."""
        value = self._value.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            self.fault(key, "must be a string.")
            return None
        if complaint := rule.complaint(value):
            self.fault(key, complaint)
            return None
        return value

    def needed_text(self, key: str, rule: TextRule, advice: str) -> str:
        """The string at `key`, which must be there; `advice` says what to write."""
        if not self.has(key):
            self.fault(key, f"is missing: {advice}")
        return self.text(key, rule) or ""

    def texts(self, key: str, rule: TextRule, most: int) -> tuple[str, ...]:
        """The strings of the list at `key`, none of them twice."""
        found: dict[str, None] = {}
        for place, value in self._items(key, most):
            if not isinstance(value, str):
                self.fault_at(key, place, "must be a string.")
            elif complaint := rule.complaint(value):
                self.fault_at(key, place, complaint)
            elif value in found:
                self.fault_at(key, place, f'repeats "{value}": remove one of the two.')
            else:
                found[value] = None
        return tuple(found)

    def flag(self, key: str) -> bool | None:
        """The boolean at `key`, or None when there is none."""
        value = self._value.get(key)
        if value is None or isinstance(value, bool):
            return value
        self.fault(key, "must be true or false.")
        return None

    def whole(self, key: str, most: int) -> int | None:
        """The integer from 0 to `most` at `key`, or None when there is none."""
        value = self._value.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            self.fault(key, f"must be a whole number from 0 to {most}.")
            return None
        return value

    def node(self, key: str) -> Node | None:
        """The object at `key`, or None when there is none."""
        value = self._value.get(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.fault(key, "must be an object.")
            return None
        return Node(value, f"{self.path}/{_escaped(key)}", self._faults)

    def nodes(self, key: str, most: int) -> list[Node]:
        """The objects of the list at `key`."""
        found = []
        for place, value in self._items(key, most):
            if isinstance(value, Mapping):
                found.append(Node(value, f"{self.path}/{_escaped(key)}/{place}", self._faults))
            else:
                self.fault_at(key, place, "must be an object.")
        return found

    def fault_at(self, key: str, place: int | str, message: str) -> None:
        """Note what is wrong at an element of the list or object at `key`."""
        self._faults.append(Fault(f"{self.path}/{_escaped(key)}/{_escaped(str(place))}", message))

    def _items(self, key: str, most: int) -> Iterator[tuple[int, object]]:
        value = self._value.get(key)
        if value is None:
            return iter(())
        if not isinstance(value, list):
            self.fault(key, "must be a list.")
            return iter(())
        if len(value) > most:
            self.fault(key, f"has {len(value)} elements: at most {most} are possible.")
            return iter(())
        return iter(enumerate(value))


def url_complaint(url: str, *, insecure: bool, insecure_anywhere: bool = False) -> str | None:
    """What is wrong with an absolute web address, or None. Plain http is for loopback, and only if `insecure`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL: write it as https://host/path."
    if parts.scheme not in ("http", "https") or not host:
        return "must be an absolute URL: write it as https://host/path."
    if "@" in parts.netloc:
        return "must not contain a user or password: remove what stands before the @."
    if parts.fragment:
        return "must not contain a fragment: remove what follows the #."
    if parts.scheme == "https" or insecure_anywhere or (insecure and is_loopback(host)):
        return None
    return "must begin with https:// (plain http is possible in development and on a loopback address only)."


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this very machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def json_complaint(value: object, largest: int) -> str | None:
    """What keeps a free-form JSON value from being stored, or None. Units: `largest` in bytes of compact JSON."""
    if not _storable(value, _DEEPEST):
        return f"must be JSON of at most {_DEEPEST} levels, without control characters, with numbers of ordinary size."
    if len(json.dumps(value, separators=(",", ":"))) > largest:
        return f"is too large: at most {largest} bytes are possible."
    return None


def too_deep(value: object, levels: int = _DEEPEST) -> bool:
    """Whether it is nested more deeply than anything that is meant seriously, and than may be walked recursively."""
    if isinstance(value, Mapping):
        return levels == 0 or any(too_deep(each, levels - 1) for each in value.values())
    return isinstance(value, list) and (levels == 0 or any(too_deep(each, levels - 1) for each in value))


def _storable(value: object, levels: int) -> bool:
    if levels == 0:
        return False
    if isinstance(value, str):
        return not _UNFIT_IN_LINES.search(value)
    if isinstance(value, Mapping):
        return all(_storable(key, levels) and _storable(each, levels - 1) for key, each in value.items())
    if isinstance(value, Sequence):
        return all(_storable(each, levels - 1) for each in value)
    if isinstance(value, float):
        return value - value == 0
    return value is None or (isinstance(value, int) and abs(value) < _LARGEST_INTEGER)


def _escaped(key: str) -> str:
    # Keys are the sender's: they reach logs and terminals through the path of a fault.
    shown = _UNFIT.sub("?", key[:80])
    return shown.replace("~", "~0").replace("/", "~1")
