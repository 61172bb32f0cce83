"""Manifests for the tests of the catalog, and the templates that come with the product."""

import json
from pathlib import Path
from typing import Any

from broker.catalog.manifest import Manifest, parse

TEMPLATES = Path(__file__).resolve().parents[2] / "manifests"


def cache_manifest(**changes: Any) -> dict[str, Any]:
    """A small manifest of version 3; `changes` replace members of the top level."""
    return {
        "id": "acme-cache",
        "name": "Acme Cache",
        "api": cache_api(),
        "listing": {"tagline": "Keys and values", "category": "Data stores", "docs": "Read `ACME_CACHE_URL`."},
        "plans": [
            {"name": "mini", "price_cents": 0, "features": {"Memory": "25 MB", "Backups": False}},
            {"name": "large", "human_name": "Large", "price_cents": 1250, "features": {"Memory": "1 GB"}},
        ],
    } | changes


def cache_api(**changes: Any) -> dict[str, Any]:
    """The `api` of that manifest; `changes` replace its members."""
    return {
        "version": "3",
        "password": "canary-password-0123456789",
        "sso_salt": "canary-salt-0123456789",
        "config_vars": ["ACME_CACHE_URL", "ACME_CACHE_PASSWORD"],
        "regions": ["us", "eu"],
        "requires": ["many_per_app", "attachable"],
        "production": {"base_url": "https://acme.example.com/resources", "sso_url": "https://acme.example.com/sso"},
    } | changes


def plans(*slugs: str, **members: Any) -> list[dict[str, Any]]:
    """Free plans of these names, all with the same further members."""
    return [{"name": slug, "price_cents": 0, **members} for slug in slugs]


def parsed(**changes: Any) -> Manifest:
    return parse(cache_manifest(**changes))


def rendered_template(slug: str) -> dict[str, Any]:
    """A template as the local stack renders it: with secrets and addresses on loopback."""
    manifest: dict[str, Any] = json.loads((TEMPLATES / f"{slug}.json").read_text(encoding="utf-8"))
    manifest["api"] |= {
        "password": "p" * 32,
        "sso_salt": "s" * 32,
        "production": {"base_url": "http://127.0.0.1:7101/heroku/resources", "sso_url": "http://127.0.0.1:7101/sso"},
    }
    return manifest
