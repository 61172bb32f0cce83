"""The providers that come with the broker pass the kit, with their real engines, warnings counted as failures."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from broker.testkit.checks import manifest as of_manifest
from broker.testkit.listen import bound, origin_of, served
from broker.testkit.probe import Limits
from broker.testkit.results import Result, Status
from broker.testkit.run import examine
from broker.testkit.subject import subject
from providers.mail.app import create_app as mail
from providers.mail.settings import MailSettings
from providers.postgres.app import create_app as postgres
from providers.postgres.settings import PostgresSettings
from providers.redis.app import create_app as redis
from providers.redis.settings import RedisSettings
from tests.providers.partner import PASSWORD, SALT
from tests.testkit.trying import wrong

MANIFESTS = Path(__file__).parents[2] / "manifests"
# What is slow is the machine of the test, on which other things run.
LIMITS = Limits(timeout_s=60, good_s=30, most_s=60)
NOT_FOR_THEM = {
    "async": 4,
    "deprovision": 1,
}
"""Checks of providers that answer with 202."""
WITHOUT_ADDRESSES = {"config": 1, "planchange": 1, "deprovision": 1}
"""Checks that connect to what is in the config."""


def whole_manifest(slug: str, origin: str) -> dict[str, Any]:
    """What the broker renders of a manifest in the repository for its provider."""
    manifest = json.loads((MANIFESTS / f"{slug}.json").read_text(encoding="utf-8"))
    urls = {"base_url": f"{origin}/heroku/resources", "sso_url": f"{origin}/sso/login"}
    manifest["api"] |= {"password": PASSWORD, "sso_salt": SALT, "production": urls}
    return dict(manifest)


def application(slug: str, folder: Path, manifest: dict[str, Any], postgres_url: str) -> FastAPI:
    file = folder / f"{slug}.json"
    file.write_text(json.dumps(manifest), encoding="utf-8")
    places: dict[str, Any] = {"home": folder / "home", "manifests": (file,)}
    if slug == "postgres":
        return postgres(PostgresSettings(admin_url=postgres_url, **places))
    return redis(RedisSettings(**places)) if slug == "redis" else mail(MailSettings(**places))


@pytest.mark.parametrize("slug", ["postgres", "redis", "mail", "sendgrid"])
async def test_our_provider_passes(slug: str, tmp_path: Path, postgres_url: str) -> None:
    listener = bound()
    manifest = whole_manifest(slug, origin_of(listener))
    app = application(slug, tmp_path, manifest, postgres_url)
    async with app.router.lifespan_context(app), served(app, listener):
        results = [*of_manifest.results(manifest), *await examine(subject(manifest), limits=LIMITS)]
    assert wrong(results) == {}, told(results)
    expected = Counter(NOT_FOR_THEM)
    if slug == "sendgrid":
        expected += Counter(WITHOUT_ADDRESSES)
    if "attachment_credentials" not in manifest["capabilities"]:
        expected += Counter({"config": 3})
    assert Counter(result.group for result in results if result.status is Status.SKIP) == expected


def told(results: list[Result]) -> list[str]:
    return [f"{result.name} {result.detail}" for result in results if result.status in (Status.FAIL, Status.WARN)]
