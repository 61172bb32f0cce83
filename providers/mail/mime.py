"""Reading mail that anybody wrote: headers, bodies and attachments of raw bytes. Never raises for odd content.

The old parser policy on purpose: the newer one raises various errors on malformed headers, and here malformed is normal.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32

MAX_NESTING = 40
INDEXED_CHARACTERS = 64 * 1024
_LIKELY_BOUNDARIES = 5_000

# What the library raises for charsets and parameters that make no sense; a fuzzer found each of them.
_NONSENSE = (LookupError, ValueError, TypeError, AttributeError, MessageError)


class TooDeeplyNested(ValueError):
    """The message nests its parts deeper than any honest mail."""


@dataclass(frozen=True, slots=True)
class Attachment:
    filename: str
    content_type: str
    content_id: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """What a reader wants of a message. Everything in it is as its writer chose: escape before showing."""

    headers: tuple[tuple[str, str], ...]
    text: str | None
    html: str | None
    attachments: tuple[Attachment, ...]

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def words(self) -> str:
        """The body as plain words, for search."""
        body = self.text if self.text is not None else _without_tags(self.html or "")
        return body[:INDEXED_CHARACTERS]


def read(raw: bytes) -> Mail:
    """Take a message apart.

    Raises: TooDeeplyNested.
    """
    # Building 100,000 parts takes seconds and gigabytes: such a message is shown as one piece.
    in_one_piece = raw.count(b"\n--") > _LIKELY_BOUNDARIES
    try:
        message = BytesParser(policy=compat32).parsebytes(raw, headersonly=in_one_piece)
        text, html, attachments = _sorted(list(_leaves(message, 0)))
    except RecursionError as error:
        raise TooDeeplyNested from error
    headers = tuple((name, _decoded(value)) for name, value in message.raw_items())
    return Mail(headers, text, html, attachments)


def _leaves(message: Message, depth: int) -> Iterator[Message]:
    if depth > MAX_NESTING:
        raise TooDeeplyNested
    if message.get_content_maintype() == "multipart" and message.is_multipart():
        for part in message.get_payload():
            if isinstance(part, Message):
                yield from _leaves(part, depth + 1)
    else:
        yield message


def _sorted(parts: list[Message]) -> tuple[str | None, str | None, tuple[Attachment, ...]]:
    text: str | None = None
    html: str | None = None
    attachments: list[Attachment] = []
    for part in parts:
        kind = part.get_content_type()
        is_body = _parameter(part.get_content_disposition) != "attachment" and not _parameter(part.get_filename)
        if is_body and kind == "text/plain" and text is None:
            text = _text(part)
        elif is_body and kind == "text/html" and html is None:
            html = _text(part)
        else:
            attachments.append(_attachment(part, len(attachments) + 1))
    return text, html, tuple(attachments)


def _attachment(part: Message, number: int) -> Attachment:
    filename = _decoded(_parameter(part.get_filename)).strip() or f"attachment-{number}"
    content_id = _decoded(str(part.get("Content-ID", ""))).strip().strip("<>")
    return Attachment(filename, part.get_content_type(), content_id, _bytes(part))


def _parameter(getter: Callable[[], object]) -> str:
    try:
        return str(getter() or "")
    except _NONSENSE:
        return ""


def _bytes(part: Message) -> bytes:
    try:
        if part.is_multipart():  # an attached message
            inner = part.get_payload(0)
            return inner.as_bytes() if isinstance(inner, Message) else b""
        payload = part.get_payload(decode=True)
    except _NONSENSE:
        return b""
    return payload if isinstance(payload, bytes) else b""


def _text(part: Message) -> str:
    content = _bytes(part)
    try:
        return content.decode(_parameter(part.get_content_charset) or "utf-8", "replace")
    except _NONSENSE:
        return content.decode("utf-8", "replace")


def _decoded(value: str) -> str:
    """A header value as people read it: encoded words decoded, folding undone, raw bytes taken as UTF-8."""
    value = str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    value = re.sub(r"\r?\n[ \t]*", " ", value)
    try:
        value = str(make_header(decode_header(value)))
    except _NONSENSE:
        return value
    return value.encode("utf-8", "replace").decode()


def _without_tags(html: str) -> str:
    without_code = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>", " ", html)
    return re.sub(r"<[^>]*>", " ", without_code)
