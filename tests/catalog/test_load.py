"""Loading files: each for itself, with every fault reported and no secret in the log."""

import json
from pathlib import Path
from typing import Any

import structlog

from broker.catalog.load import load_files
from broker.kernel.context import Context
from tests.catalog.samples import cache_api, cache_manifest, rendered_template


def write(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


async def test_the_marketplace_of_the_product_loads(ctx: Context, tmp_path: Path) -> None:
    slugs = ["postgres", "redis", "mail", "sendgrid"]
    files = [write(tmp_path, slug, rendered_template(slug)) for slug in slugs]
    results = await load_files(ctx, files)
    assert [result.service and result.service.slug for result in results] == slugs
    again = await load_files(ctx, files)
    assert [result.service for result in again] == [result.service for result in results]


async def test_a_broken_file_is_refused_with_every_fault_and_the_rest_is_loaded(ctx: Context, tmp_path: Path) -> None:
    broken = cache_manifest(name=None, api=cache_api(regions=[], password="canary\x00"))
    files = [
        write(tmp_path, "broken.json", broken),
        write(tmp_path, "syntax.json", b'{"api": {"password": "canary-syntax",,'),
        write(tmp_path, "latin.json", b'{"password": "canary-\xff"}'),
        write(tmp_path, "deep.json", b"[" * 100_000),
        write(tmp_path, "huge.json", b" " * 600_000),
        tmp_path / "missing.json",
        tmp_path,
        write(tmp_path, "good.json", cache_manifest()),
        write(tmp_path, "double.json", cache_manifest(name="Another")),
    ]
    with structlog.testing.capture_logs() as log:
        *bad, good, double = await load_files(ctx, files)
    assert good.service is not None
    assert all(result.service is None and result.faults for result in (*bad, double))
    assert [fault.path for fault in bad[0].faults] == ["/name", "/api/regions", "/api/password"]
    assert "good.json" in double.faults[0].message
    refused = [entry for entry in log if entry["event"] == "manifest.refused"]
    assert [Path(entry["file"]).name for entry in refused][:2] == ["broken.json", "syntax.json"]
    assert len(refused) == len(files) - 1
    assert "canary" not in repr(log)


async def test_a_file_that_contradicts_what_is_published_is_refused(ctx: Context, tmp_path: Path) -> None:
    await load_files(ctx, [write(tmp_path, "m.json", cache_manifest())])
    api = cache_api(config_vars_prefix="OTHER", config_vars=["OTHER_URL"])
    (result,) = await load_files(ctx, [write(tmp_path, "m.json", cache_manifest(api=api))])
    assert [fault.path for fault in result.faults] == ["/api/config_vars_prefix"]


async def test_plain_http_is_refused_where_development_is_off(ctx: Context, tmp_path: Path) -> None:
    path = write(tmp_path, "redis.json", rendered_template("redis"))
    (result,) = await load_files(ctx, [path], allow_insecure=False)
    assert {fault.path for fault in result.faults} == {"/api/production/base_url", "/api/production/sso_url"}
