"""Puts the postgres provider together."""

from __future__ import annotations

from fastapi import FastAPI

from providers.kit.app import create_provider_app
from providers.kit.manifest import load_all
from providers.kit.secrets import ProviderKey, home_directory
from providers.kit.store import ResourceStore
from providers.postgres.dashboard import dashboard_pages
from providers.postgres.service import PostgresService
from providers.postgres.settings import PostgresSettings


def create_app(settings: PostgresSettings) -> FastAPI:
    """The application; its server starts and stops with it.

    Raises: ManifestError, StoreInUse.
    """
    manifests = load_all(settings.manifests)
    home = home_directory(settings.home)
    key, store = ProviderKey.load(home / "key"), ResourceStore(home / "resources.sqlite3")
    service = PostgresService(settings, store, key)
    app = create_provider_app(service, manifests, store=store, key=key, title="PostgreSQL")
    app.include_router(dashboard_pages(service, store))
    return app
