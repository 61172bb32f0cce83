"""Pictures that manifests bring: small ones, in formats that can hold no script, kept beside the service."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert as upsert

from broker.catalog.pictures import size_of
from broker.catalog.search_models import ServiceLogo
from broker.kernel.db import Tx

LARGEST_BYTES: Final = 64 * 1024
_DATA_URL: Final = re.compile(r"data:(image/(?:png|jpeg|webp));base64,([A-Za-z0-9+/]+={0,2})")
LARGEST_SIDE: Final = 1024
"""Units: pixels. Cards show 48 of them."""
LONGEST_TEXT: Final = LARGEST_BYTES * 4 // 3 + 64


def logo_complaint(text: str) -> str | None:
    """What is wrong with a picture in a manifest, or None."""
    match = _DATA_URL.fullmatch(text)
    if match is None:
        return "must be a data URL of a picture: data:image/png;base64,… (or jpeg, or webp)."
    content = _decoded(match[2])
    size = content and size_of(match[1], content)
    if not content or not size:
        return f"is not what it says it is, a picture of the type {match[1]}."
    if len(content) > LARGEST_BYTES:
        return f"has {len(content)} bytes: make it smaller than {LARGEST_BYTES}."
    if not all(0 < side <= LARGEST_SIDE for side in size):
        return f"has {size[0]} by {size[1]} pixels: make it no larger than {LARGEST_SIDE} either way."
    return None


def logo_mark(text: str | None) -> str | None:
    """What stands for the picture in the listing that is stored: that there is one."""
    return "own" if text else None


async def keep_logo(tx: Tx, service_id: UUID, text: str | None) -> None:
    """Keep the picture of a checked manifest, or none."""
    match = _DATA_URL.fullmatch(text) if text else None
    content = _decoded(match[2]) if match else None
    if match is None or content is None:
        await tx.execute(delete(ServiceLogo).where(ServiceLogo.service_id == service_id))
        return
    values = {"media_type": match[1], "content": content, "digest": hashlib.sha256(content).hexdigest()}
    row = upsert(ServiceLogo).values(service_id=service_id, **values)
    await tx.execute(row.on_conflict_do_update(index_elements=[ServiceLogo.service_id], set_=values))


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
