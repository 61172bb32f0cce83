"""What a submission server adds to a message and takes from it: trace headers, a date, an id; never the blind copies."""

import re
from datetime import datetime
from email.utils import format_datetime, make_msgid

_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")


def stamped(raw: bytes, *, host: str, client: str, protocol: str, at: datetime) -> bytes:
    """``raw`` as it is stored and relayed: with Received, Date and Message-ID, without Bcc."""
    head, body = _split(raw)
    names = {_name(field) for field in head}
    client = re.sub(r"[^\w.:\[\]-]", "", client)[:255]
    added = [f"Received: from {client}\r\n by {host} with {protocol};\r\n {format_datetime(at)}"]
    if b"date" not in names:
        added.append(f"Date: {format_datetime(at)}")
    if b"message-id" not in names:
        added.append(f"Message-ID: {make_msgid(domain=host)}")
    kept = [field for field in head if _name(field) != b"bcc"]
    return b"".join([line.encode("ascii", "replace") + b"\r\n" for line in added] + kept) + body


def _split(raw: bytes) -> tuple[list[bytes], bytes]:
    """The header fields, folded lines joined to theirs, and the rest, which begins with the empty line."""
    fields: list[bytes] = []
    position = 0
    while (end := raw.find(b"\n", position)) >= 0:
        line = raw[position : end + 1]
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += line
        elif _FIELD.match(line):
            fields.append(line)
        else:
            break
        position = end + 1
    rest = raw[position:]
    # A body without the empty line before it would otherwise be read as part of the headers.
    return fields, rest if rest.startswith((b"\r\n", b"\n")) else b"\r\n" + rest


def _name(field: bytes) -> bytes:
    return field.partition(b":")[0].strip().lower()
