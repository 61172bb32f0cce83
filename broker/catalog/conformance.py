"""A signed statement that a provider passed the test kit, as the badge of its listing. The kit that makes such statements
is above us and not needed to believe one: the form is the kit's, the keys that are believed are the operator's.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import update

from broker.catalog.contents import BASE
from broker.catalog.members import Role, locked_service
from broker.catalog.models import AddonService
from broker.catalog.queries import get_service
from broker.catalog.reading import json_complaint
from broker.catalog.versions import read_version
from broker.catalog.views import ServiceView
from broker.events.emit import emit
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor, Context
from broker.kernel.errors import InvalidParams

_MARK: Final = b"addon-broker provider test kit, statement 1\n"
_LARGEST_BYTES: Final = 16 * 1024
_NOT_STATED: Final = ("password", "sso_salt")


async def record_conformance(
    ctx: Context, actor: Actor, slug: str, signed: Mapping[str, Any], trusted: Sequence[str]
) -> ServiceView:
    """Show with the listing that its provider passes the kit, until another manifest is pushed.

    Raises: NotFound, Forbidden, InvalidParams for a statement that is not believed, or is about something else.
    """
    async with ctx.database.transaction() as tx:
        service, now = await locked_service(tx, actor, slug, Role.ADMIN), ctx.clock.now()
        said = _believed(signed, trusted)
        manifest = await read_version(tx, ctx.vault, service)
        if said.get("service") != slug or said.get("manifest_sha256") != manifest_digest(manifest.contents):
            raise InvalidParams(f"The statement is about another manifest than revision {service.revision} of {slug}.")
        summary = said.get("summary")
        if not isinstance(summary, Mapping) or summary.get("failed") != 0:
            raise InvalidParams("The statement does not say that the kit was passed.")
        kept = {
            "summary": dict(summary),
            "at": str(said.get("at", rfc3339(now))),
            "reported_by": actor.email,
            "revision": service.revision,
            "kit": str(said.get("kit", "")),
            "strict": said.get("strict") is True,
        }
        changed = update(AddonService).where(AddonService.id == service.id)
        await tx.execute(changed.values(conformance=kept, updated_at=now))
        await emit(tx, "addon_service.conformance_shown", actor, now, service=slug, revision=service.revision)
        return await get_service(tx, service.id)


def manifest_digest(contents: Mapping[str, Any]) -> str:
    """What a statement names a manifest by: without its secrets and its revision."""
    api = contents.get("api")
    public = {key: value for key, value in contents.items() if key != BASE}
    if isinstance(api, Mapping):
        public["api"] = {key: value for key, value in api.items() if key not in _NOT_STATED}
    return hashlib.sha256(_canonical(public)).hexdigest()


def _believed(signed: Mapping[str, Any], trusted: Sequence[str]) -> Mapping[str, Any]:
    said, signature = signed.get("statement"), signed.get("signature")
    if not isinstance(said, Mapping) or not isinstance(signature, str) or json_complaint(said, _LARGEST_BYTES):
        raise InvalidParams("This is no signed statement of `broker provider:test`.")
    message = _MARK + _canonical(said)
    if not any(_signed(key, signature, message) for key in trusted):
        raise InvalidParams("None of the keys that the operators of this broker trust has signed this statement.")
    return said


def _signed(key: str, signature: str, message: bytes) -> bool:
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True))
        public.verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
