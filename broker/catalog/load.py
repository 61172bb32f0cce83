"""Loading the operator's manifest files at the start: each for itself, so that a broken one does not stop the rest."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from broker.catalog.faults import Fault, ManifestFaults
from broker.catalog.manifest import Manifest, parse
from broker.catalog.publish import publish
from broker.catalog.views import ServiceView
from broker.kernel.context import SYSTEM, Context

_LARGEST_FILE_BYTES: Final = 512 * 1024
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What became of one file: the service it declares, or everything that is wrong with it."""

    path: Path
    service: ServiceView | None
    faults: tuple[Fault, ...] = ()


async def load_files(ctx: Context, paths: Iterable[Path], *, allow_insecure: bool = True) -> list[LoadResult]:
    """Publish the manifest of each file; what is wrong is logged and returned.

    The files are the operator's own, therefore plain http on loopback is allowed unless `allow_insecure` is False.
    """
    results: list[LoadResult] = []
    declared: dict[str, Path] = {}
    for path in paths:
        result = await _load(ctx, path, declared, allow_insecure=allow_insecure)
        _report(result)
        results.append(result)
    return results


async def _load(ctx: Context, path: Path, declared: dict[str, Path], *, allow_insecure: bool) -> LoadResult:
    try:
        manifest = await asyncio.to_thread(_read, path, allow_insecure=allow_insecure)
        if (earlier := declared.setdefault(manifest.id, path)) != path:
            raise ManifestFaults([Fault("/id", f'"{manifest.id}" is declared by {earlier} already: use another id.')])
        return LoadResult(path, await publish(ctx, manifest, SYSTEM))
    except ManifestFaults as refusal:
        return LoadResult(path, None, tuple(refusal.faults))


def _read(path: Path, *, allow_insecure: bool) -> Manifest:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE_BYTES + 1)
        if len(content) > _LARGEST_FILE_BYTES:
            raise _unusable(f"is larger than {_LARGEST_FILE_BYTES} bytes: shorten it.")
        data = json.loads(content)
    except OSError as error:
        raise _unusable(f"cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        # The decoder's own message may quote the text, and with it a password.
        raise _unusable("is not JSON in UTF-8: correct its syntax.") from None
    return parse(data, allow_insecure=allow_insecure)


def _unusable(message: str) -> ManifestFaults:
    return ManifestFaults([Fault("", message)])


def _report(result: LoadResult) -> None:
    if result.service is not None:
        _log.info(
            "manifest.loaded", file=str(result.path), service=result.service.slug, revision=result.service.revision
        )
    else:
        _log.error("manifest.refused", file=str(result.path), faults=[str(fault) for fault in result.faults])
