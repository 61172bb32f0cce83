"""The manifest itself. These checks make no call, and come before the others: without a manifest there is no provider."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from broker.catalog.faults import ManifestFaults
from broker.catalog.manifest import Manifest, parse
from broker.testkit.results import Failed, Result, Status, Verdict, Warned

_SHORTEST_SECRET: Final = 16

READABLE: Final = "The manifest is one that the broker takes."
SECRETS: Final = "The password and the SSO salt of the manifest cannot be guessed."
DASHBOARD: Final = "A dashboard is declared whole: sso_url and sso_salt."


def results(data: object) -> list[Result]:
    """What is to be said of a manifest; the first failure tells all its faults."""
    try:
        manifest = parse(data, allow_insecure=True)
    except ManifestFaults as faults:
        detail = " ".join(str(fault) for fault in faults.faults)
        skipped = [Result("manifest", name, Status.SKIP, "The manifest cannot be used.") for name in _REST]
        return [Result("manifest", READABLE, Status.FAIL, detail), *skipped]
    return [Result("manifest", READABLE, Status.PASS), *(_result(name, manifest) for name in _REST)]


def _result(name: str, manifest: Manifest) -> Result:
    try:
        _REST[name](manifest)
    except Verdict as verdict:
        return Result("manifest", name, verdict.status, verdict.detail)
    return Result("manifest", name, Status.PASS)


def _secrets(manifest: Manifest) -> None:
    password, salt = manifest.password, manifest.sso_salt
    short = [
        name
        for name, secret in (("password", password), ("sso_salt", salt))
        if secret is not None and len(secret.reveal()) < _SHORTEST_SECRET
    ]
    if short:
        raise Warned(f"{' and '.join(short)} should have {_SHORTEST_SECRET} random characters or more.")
    if password == salt:
        raise Warned("password and sso_salt are the same: who learns one of them knows both. Make two.")


def _dashboard(manifest: Manifest) -> None:
    if manifest.sso_url is not None and manifest.sso_salt is None:
        raise Failed("There is an sso_url, but no sso_salt: sign-ons cannot be signed. Add api.sso_salt.")
    if manifest.sso_salt is not None and manifest.sso_url is None:
        raise Warned("There is an sso_salt, but no sso_url: the dashboard cannot be opened. Add it, if there is one.")


_REST: Final[dict[str, Callable[[Manifest], None]]] = {SECRETS: _secrets, DASHBOARD: _dashboard}
NAMES: Final = (READABLE, *_REST)
