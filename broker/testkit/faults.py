"""The faults that the proxy can make, when each strikes, and how they are written: `KIND[:every=N][:on=CALL][:s=S]`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

KINDS: Final = {
    "delay": "answered S seconds late [2]",
    "timeout": "carried out, and never answered",
    "duplicate": "carried out twice; the second answer is given",
    "reorder": "held back until another call was answered, at most S seconds [5]",
    "500": "carried out, and answered with 500",
    "503": "not carried out, and answered with 503",
    "reset": "carried out; the connection is reset instead of an answer",
    "drop": "not carried out; the connection is reset",
    "garbage": "carried out, and answered with 200 and nonsense",
}
CALLS: Final = ("any", "provision", "planchange", "deprovision", "sso", "list")
_SECONDS: Final = {"delay": 2.0, "reorder": 5.0}
_FORM: Final = "application/x-www-form-urlencoded"


class UnknownFault(ValueError):
    """The text describes no fault; the message says what would."""


@dataclass
class Fault:
    """One rule. It strikes at every `every`-th call that it is for, at most `times` times. Units: `seconds`."""

    kind: str
    every: int = 1
    on: str = "any"
    seconds: float = 0.0
    times: int | None = None
    _seen: int = field(default=0, repr=False)
    _struck: int = field(default=0, repr=False)

    def strikes(self, call: str) -> bool:
        """Count a call, and say whether this is one to spoil."""
        if self.on not in ("any", call):
            return False
        self._seen += 1
        if self._seen % self.every or (self.times is not None and self._struck >= self.times):
            return False
        self._struck += 1
        return True


def fault(text: str) -> Fault:
    """The fault that a text such as `500:every=3:on=provision` describes.

    Raises: UnknownFault.
    """
    kind, *options = text.split(":")
    if kind not in KINDS:
        raise UnknownFault(f"There is no fault “{kind}”. Possible are {', '.join(KINDS)}.")
    found = Fault(kind, seconds=_SECONDS.get(kind, 0.0))
    for option in options:
        name, _, value = option.partition("=")
        _set(found, name, value)
    return found


def _set(found: Fault, name: str, value: str) -> None:
    if name == "on" and value in CALLS:
        found.on = value
    elif name == "every" and value.isdecimal() and int(value) > 0:
        found.every = int(value)
    elif name == "times" and value.isdecimal():
        found.times = int(value)
    elif name == "s" and value.replace(".", "", 1).isdecimal():
        found.seconds = float(value)
    else:
        raise UnknownFault(
            f"“{name}={value}” is no option of a fault. Possible are every=N, times=N, s=SECONDS and "
            f"on={'|'.join(CALLS)}."
        )


def call_of(method: str, content_type: str) -> str:
    """Which call of the protocol a request is."""
    if method == "POST":
        return "sso" if content_type.startswith(_FORM) else "provision"
    return {"PUT": "planchange", "DELETE": "deprovision", "GET": "list"}.get(method, "other")
