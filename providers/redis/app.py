"""Puts the Redis provider together: settings, store, key and engine become an application."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from fastapi import FastAPI

from embedded.processes import EngineError
from embedded.valkey import find_server
from providers.kit.app import create_provider_app
from providers.kit.manifest import ManifestError, load_all
from providers.kit.secrets import ProviderKey, home_directory
from providers.kit.store import ResourceStore
from providers.redis.pages import pages
from providers.redis.service import RedisService
from providers.redis.settings import RedisSettings


class CannotStart(Exception):
    """The provider cannot start; the text says what to do."""


def create_app(settings: RedisSettings) -> FastAPI:
    """The provider's application.

    Raises: CannotStart.
    """
    try:
        manifests = load_all(settings.manifests)
        program = find_server(settings.engine)
    except (ManifestError, EngineError) as error:
        raise CannotStart(str(error)) from None
    home = home_directory(settings.home)
    store = ResourceStore(home / "resources.sqlite")
    key = ProviderKey.load(home / "key")
    app = create_provider_app(
        RedisService(settings, store, key, program), manifests, store=store, key=key, title="Redis"
    )
    app.include_router(pages)
    return app


def lock_home(home: Path) -> int:
    """Keep other programs off this home: two on one would stop each other's instances.

    The lock ends with the process, however it ends, or when the descriptor is closed.

    Raises: CannotStart.
    """
    lock = os.open(home_directory(home) / "provider.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise CannotStart(f"Another Redis provider runs with the home {home}.") from None
    return lock
