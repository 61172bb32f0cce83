"""A signed statement that a provider passed the kit: who signs says that they ran it. Ed25519; no network, no files.

The form: {"statement": {...}, "key": base64, "signature": base64}. Signed are the mark of this form, a line feed, and
the statement as JSON with sorted keys and without blanks.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from broker.kernel.clock import Clock, SystemClock, rfc3339
from broker.testkit.results import GROUPS, Report

_MARK: Final = b"addon-broker provider test kit, statement 1\n"
_PRIVATE: Final = ("password", "sso_salt")


class NotCertain(Exception):
    """The statement does not hold; the text says why."""


def statement(
    report: Report, manifest: object, *, strict: bool, kit: str, clock: Clock | None = None
) -> dict[str, Any]:
    """What is said of a whole run that has just ended.

    Raises: NotCertain for a run that failed, or that left out groups.
    """
    missing = [group for group in GROUPS if group not in {result.group for result in report.results}]
    if missing:
        raise NotCertain(f"The run left out {', '.join(missing)}.")
    if not report.conformant:
        raise NotCertain("The run had failures.")
    assert isinstance(manifest, Mapping)
    return {
        "service": manifest["id"],
        "manifest_sha256": manifest_digest(manifest),
        "kit": kit,
        "strict": strict,
        "at": rfc3339((clock or SystemClock()).now()),
        "summary": report.as_json()["summary"],
    }


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """Of the manifest without its secrets, so that a statement can be shown to everybody and compared with the listing."""
    public = copy.deepcopy(dict(manifest))
    for name in _PRIVATE:
        public.get("api", {}).pop(name, None)
    public.pop("$base", None)
    return hashlib.sha256(_canonical(public)).hexdigest()


def sign(content: Mapping[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """The statement with its signature and the public half of the key."""
    signature = key.sign(_MARK + _canonical(content))
    return {
        "statement": dict(content),
        "key": public_text(key.public_key()),
        "signature": base64.b64encode(signature).decode(),
    }


def verify(signed: object, trusted: Sequence[str]) -> dict[str, Any]:
    """What was stated, if one of the `trusted` keys has signed it. The key beside the signature is not believed.

    Raises: NotCertain.
    """
    content = signed.get("statement") if isinstance(signed, dict) else None
    if not isinstance(signed, dict) or not isinstance(content, dict):
        raise NotCertain("This is no statement of the test kit.")
    try:
        signature = base64.b64decode(str(signed.get("signature", "")), validate=True)
    except ValueError:
        raise NotCertain("Its signature is damaged.") from None
    if not any(_holds(text, signature, _MARK + _canonical(content)) for text in trusted):
        raise NotCertain("None of the keys that are trusted has signed it as it stands.")
    return content


def public_text(key: Ed25519PublicKey) -> str:
    """A public key as it is handed on."""
    return base64.b64encode(key.public_bytes_raw()).decode()


def _holds(key: str, signature: bytes, content: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True)).verify(signature, content)
    except (InvalidSignature, ValueError):  # a bad base64 is a ValueError, too
        return False
    return True


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
