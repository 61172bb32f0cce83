"""What is tested: a manifest, the addresses of the provider, the plans to use. No calls here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import UUID

from broker.catalog.faults import ManifestFaults
from broker.catalog.manifest import Manifest, UrlStyle, parse
from broker.catalog.manifest_plans import PlanState

_ROOT_PATH: Final = "/heroku/resources"


class Unusable(Exception):
    """The kit cannot begin: the text says what to change on the command line or in the file."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A provider under test. `resources_url` takes provision requests; `to_plan` is None when there is one plan only."""

    manifest: Manifest
    resources_url: str
    sso_url: str | None
    plan: str
    to_plan: str | None

    @property
    def is_v1(self) -> bool:
        """Whether it speaks the oldest protocol, in which the provider's own id is in the URLs."""
        return self.manifest.api_version == "1"

    @property
    def signs_on_by_get(self) -> bool:
        return self.manifest.url_style is UrlStyle.ROOT

    def resource_url(self, uuid: UUID, provider_id: str | None) -> str:
        """Where a plan change and a delete go."""
        shown = provider_id or str(uuid) if self.is_v1 else str(uuid)
        return f"{self.resources_url.rstrip('/')}/{quote(shown, safe='')}"

    def offers(self, capability: str) -> bool:
        return capability in self.manifest.capabilities


def read(path: Path) -> object:
    """The decoded JSON of a manifest file.

    Raises: Unusable.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Unusable(f"{path} is not JSON{where}.") from None


def subject(data: object, base_url: str | None = None, plan: str | None = None, to_plan: str | None = None) -> Subject:
    """The subject that a manifest and the options describe. `base_url` replaces scheme, host and port of its URLs.

    Raises: ManifestFaults; Unusable for options that do not fit.
    """
    manifest = parse(data, allow_insecure=True)
    has_plans = isinstance(data, dict) and data.get("plans") is not None
    for chosen in (plan, to_plan):
        _must_be_a_plan(chosen, manifest, has_plans)
    chosen_plan = plan or next(spec.slug for spec in manifest.plans if spec.is_default or len(manifest.plans) == 1)
    return _of(manifest, base_url, chosen_plan, to_plan)


def cheapest(data: object, plan: str | None = None) -> Subject:
    """The subject with this plan, or with the one that costs least: what is made again and again shall cost little.

    Raises: ManifestFaults.
    """
    manifest = parse(data, allow_insecure=True)
    offered = [spec for spec in manifest.plans if spec.state is not PlanState.HIDDEN] or manifest.plans
    return _of(manifest, None, plan or min(offered, key=lambda spec: (spec.price_cents, not spec.is_free)).slug, None)


def _of(manifest: Manifest, base_url: str | None, chosen_plan: str, to_plan: str | None) -> Subject:
    style_path = _ROOT_PATH if manifest.url_style is UrlStyle.ROOT else ""
    return Subject(
        manifest,
        _moved(manifest.base_url.rstrip("/") + style_path if style_path else manifest.base_url, base_url),
        _moved(manifest.sso_url, base_url) if manifest.sso_url else None,
        chosen_plan,
        to_plan or _other_plan(manifest, chosen_plan),
    )


def known_subject(
    data: object, base_url: str | None = None, plan: str | None = None, to_plan: str | None = None
) -> Subject | None:
    """As `subject`, but None for a manifest with faults, which a check of its own tells.

    Raises: Unusable.
    """
    try:
        return subject(data, base_url, plan, to_plan)
    except ManifestFaults:
        return None


def sound_subject(data: object, base_url: str | None = None) -> Subject:
    """As `subject`, but for those who cannot begin with a manifest that has faults.

    Raises: Unusable, with all faults.
    """
    try:
        return subject(data, base_url)
    except ManifestFaults as faults:
        raise Unusable("\n".join(["The manifest has faults:", *map(str, faults.faults)])) from None


def _must_be_a_plan(slug: str | None, manifest: Manifest, has_plans: bool) -> None:
    known = [spec.slug for spec in manifest.plans]
    if slug is not None and has_plans and slug not in known:
        raise Unusable(f"The manifest has no plan {slug}. Its plans are {', '.join(known)}.")


def _other_plan(manifest: Manifest, plan: str) -> str | None:
    """The plan after `plan`, else the one before it: plans are listed from small to large."""
    slugs = [spec.slug for spec in manifest.plans if spec.state is not PlanState.HIDDEN or spec.slug == plan]
    if plan not in slugs:
        return None
    place = slugs.index(plan)
    return next(iter(slugs[place + 1 :] + slugs[:place][::-1]), None)


def _moved(url: str, origin: str | None) -> str:
    if origin is None:
        return url
    parts, place = urlsplit(url), origin_parts(origin)
    return urlunsplit((place[0], place[1], parts.path, parts.query, ""))


def origin_parts(text: str) -> tuple[str, str]:
    """Scheme and address of an origin.

    Raises: Unusable for anything else.
    """
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises for a port that is none
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise Unusable(f"{text} is no origin: write scheme, host and port, such as http://127.0.0.1:4567, and no path.")
    return parts.scheme, parts.netloc
