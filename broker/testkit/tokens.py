"""The tokens of single sign-on and the forms that carry them, right ones and such as must be refused.

Written from the contract and not shared with the broker, so that the two check one another.
Source: Add-on Partner API, single sign-on.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode
from uuid import UUID

from broker.testkit.exchange import Request
from broker.testkit.subject import Subject

TOKENS: Final = ("token", "resource_token", "user_scoped_resource_token")
_BY_GET: Final = ("token", "timestamp", "nav-data", "email", "app")


@dataclass(frozen=True, slots=True)
class Person:
    """A user of the marketplace, as a provider hears of them."""

    id: str
    email: str


ADA: Final = Person("89abcdef-0123-4567-89ab-cdef01234567", "ada@example.com")
MALLORY: Final = Person("76543210-0123-4567-89ab-cdef01234567", "mallory@example.com")


def tokens(salt: str, provider_id: str, uuid: UUID, timestamp: int, person: Person) -> dict[str, str]:
    """All three, lower-case hex."""
    v1 = hashlib.sha1(f"{provider_id}:{salt}:{timestamp}".encode(), usedforsecurity=False).hexdigest()
    v3 = hashlib.sha1(f"{uuid}:{salt}:{timestamp}".encode(), usedforsecurity=False).hexdigest()
    bound = hashlib.sha256(f"{uuid}:{salt}:{timestamp}:{person.id}:{person.email}".encode()).hexdigest()
    return dict(zip(TOKENS, (v1, v3, bound), strict=True))


def form(subject: Subject, provider_id: str, uuid: UUID, timestamp: int, person: Person = ADA) -> dict[str, str]:
    """The whole form that a browser posts."""
    assert subject.manifest.sso_salt is not None
    service = subject.manifest
    nav = {
        "addon": service.id,
        "appname": "test-kit",
        "addons": [{"slug": service.id, "name": service.name, "current": True}],
    }
    return {
        "id": provider_id,
        "resource_id": str(uuid),
        "timestamp": str(timestamp),
        **tokens(subject.manifest.sso_salt.reveal(), provider_id, uuid, timestamp, person),
        "nav-data": base64.urlsafe_b64encode(json.dumps(nav).encode()).decode().rstrip("="),
        "email": person.email,
        "user_id": person.id,
        "app": "test-kit",
        "context_app": "test-kit",
    }


def request(subject: Subject, fields: Mapping[str, str]) -> Request:
    """The browser's request: a form, or a GET where the manifest is of the oldest style."""
    assert subject.sso_url is not None
    if not subject.signs_on_by_get:
        return Request("POST", subject.sso_url, form=fields)
    query = urlencode({name: fields[name] for name in _BY_GET if name in fields})
    return Request("GET", f"{subject.sso_url.rstrip('/')}/{quote(fields['id'], safe='')}?{query}")
