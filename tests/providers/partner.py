"""What the tests of all providers need to play the broker: a manifest file, calls with its credentials, signed forms."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI

PASSWORD = "manifest-password-0123456789"
SALT = "manifest-salt-0123456789abcdef"
USER = {"user_id": "89abcdef-0123-4567-89ab-cdef01234567", "email": "user@example.com"}


def write_manifest(
    folder: Path, slug: str, config_vars: list[str], prefix: str, plans: tuple[str, ...] = ("mini",), **api: Any
) -> Path:
    """A manifest as the broker renders it."""
    content = {
        "id": slug,
        "name": slug.title(),
        "api": {
            "version": "3",
            "password": PASSWORD,
            "sso_salt": SALT,
            "config_vars": config_vars,
            "config_vars_prefix": prefix,
            **api,
        },
        "plans": [{"name": plan, "price_cents": 0} for plan in plans],
    }
    path = folder / f"{slug}.json"
    path.write_text(json.dumps(content))
    return path


@asynccontextmanager
async def running(app: FastAPI, slug: str) -> AsyncIterator[httpx.AsyncClient]:
    """The started app, behind a client that calls as the broker does."""
    async with app.router.lifespan_context(app), client_of(app, auth=(slug, PASSWORD)) as client:
        yield client


def client_of(app: FastAPI, auth: tuple[str, str] | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://provider.test", auth=auth)


def provision_body(uuid: UUID | None = None, plan: str = "mini", **more: Any) -> dict[str, Any]:
    uuid = uuid or uuid4()
    return {
        "uuid": str(uuid),
        "name": "acme-inc-primary",
        "plan": plan,
        "region": "amazon-web-services::us-east-1",
        "options": {},
        "callback_url": f"https://broker.test/addons/{uuid}",
        "oauth_grant": {"code": str(uuid4()), "type": "authorization_code", "expires_at": "2026-11-21T12:00:00Z"},
        **more,
    }


def sso_form(uuid: UUID | str, at: datetime | None = None, salt: str = SALT, **changes: str | None) -> dict[str, str]:
    """The form a browser posts; a change to None leaves a field out."""
    timestamp = str(int((at or datetime.now(UTC)).timestamp()))
    base = f"{uuid}:{salt}:{timestamp}"
    form: Mapping[str, str | None] = {
        "id": str(uuid),
        "resource_id": str(uuid),
        "timestamp": timestamp,
        "token": hashlib.sha1(base.encode()).hexdigest(),
        "resource_token": hashlib.sha1(base.encode()).hexdigest(),
        "user_scoped_resource_token": hashlib.sha256(f"{base}:{USER['user_id']}:{USER['email']}".encode()).hexdigest(),
        "nav-data": "e30",
        "app": "intu-jokes",
        "context_app": "intu-jokes",
        **USER,
        **changes,
    }
    return {name: value for name, value in form.items() if value is not None}
