"""Config vars as the text of an environment file, and back. Pure functions; the shells themselves are in the tests.

Written lines serve two uses: `set -a; . ./.env` reads every value exactly; `export $(cat .env)` works for values
without blanks, quotes and other characters special to a shell, because such values are written without quotes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./?^-]*", re.ASCII)
"""Nothing in here is special to a shell, neither in an assignment nor in a word it has split."""

_NO_ASSIGNMENT = re.compile(r"[ \t\r]*(?:#[^\n]*)?(?:\n|\Z)")
_HEAD = re.compile(r"[ \t]*(?:export[ \t]+)?([^\s=]+)=")
_BYTE_ORDER = "\ufeff"
"""What some editors of Windows begin a file with."""
_BLANKS = re.compile(r"[ \t\r]+")
"""Looked for where they begin, and never from within: a text of a million blanks is read once."""


class BadLine(ValueError):
    """A line of an environment file that is no `NAME=value`; `number` counts from 1."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"line {number}: {reason}")
        self.number = number


def shell_quote(value: str) -> str:
    """The value as one shell word: bare when that is safe, else in single quotes. The empty value stays empty."""
    if "\0" in value:
        raise ValueError("a NUL byte cannot be in an environment")
    if _PLAIN.fullmatch(value):
        return value
    return "'" + value.replace("'", "'\\''") + "'"


def shell_line(name: str, value: str) -> str:
    """`NAME=value`, safe to be read by any POSIX shell.

    Raises: ValueError for a name that is none: it could be a command.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a variable")
    return f"{name}={shell_quote(value)}"


def shell_text(variables: Mapping[str, str]) -> str:
    """A whole environment file, sorted by name."""
    return "".join(shell_line(name, variables[name]) + "\n" for name in sorted(variables))


def export_text(variables: Mapping[str, str]) -> str:
    """`export` lines for `eval`, in the given order."""
    return "".join(f"export {shell_line(name, value)}\n" for name, value in variables.items())


def parse_env(text: str) -> dict[str, str]:
    """Read back what `shell_text` writes; also takes `export NAME=…`, double quotes, comments, blank lines, and files of Windows.

    Raises: BadLine.
    """
    variables: dict[str, str] = {}
    position, number = len(_BYTE_ORDER) if text.startswith(_BYTE_ORDER) else 0, 1
    while position < len(text):
        nothing = _NO_ASSIGNMENT.match(text, position)
        if nothing:
            number += 1
            position = nothing.end()
            continue
        head = _HEAD.match(text, position)
        if not head:
            raise BadLine(number, "expected NAME=value")
        name = head[1]
        if not NAME.fullmatch(name):
            raise BadLine(number, f"{name!r} is no name of a variable")
        value, end = _read_value(text, head.end(), number)
        variables[name] = value
        number += text.count("\n", position, end) + 1
        position = end + 1
    return variables


def _read_value(text: str, position: int, number: int) -> tuple[str, int]:
    """The value that begins at `position` and the place of the newline (or end) after it."""
    parts: list[str] = []
    while position < len(text) and text[position] != "\n":
        mark = text[position]
        if blanks := _BLANKS.match(text, position):
            position = blanks.end()
            if text[position : position + 1] in ("", "\n", "#"):
                end = text.find("\n", position)
                return "".join(parts), len(text) if end < 0 else end
            parts.append(blanks[0])
        elif mark in "'\"":
            part, position = _read_quoted(text, position, number)
            parts.append(part)
        elif mark == "\\" and position + 1 < len(text):
            parts.append(text[position + 1])
            position += 2
        else:
            parts.append(mark)
            position += 1
    return "".join(parts), position


def _read_quoted(text: str, start: int, number: int) -> tuple[str, int]:
    quote = text[start]
    position = start + 1
    parts: list[str] = []
    while position < len(text) and text[position] != quote:
        if quote == '"' and text[position] == "\\" and text[position + 1 : position + 2] in ('"', "\\", "$", "`"):
            position += 1
        parts.append(text[position])
        position += 1
    if position >= len(text):
        raise BadLine(number, f"the quote {quote} is not closed")
    return "".join(parts), position + 1
