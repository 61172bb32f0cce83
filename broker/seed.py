"""What a first start writes: one account with its token, and the manifests of the services that come with it. Idempotent."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import structlog

from broker.accounts.seed import ensure_account
from broker.catalog.load import load_files
from broker.kernel.secret import Secret
from broker.wiring import Wiring

_log = structlog.get_logger()


async def apply_seed(wiring: Wiring) -> None:
    """Read `BROKER_SEED_FILE`, if it is set, and make sure that all it names exists."""
    path = wiring.settings.seed_file
    if path is None:
        return
    seed = json.loads(await asyncio.to_thread(path.read_text))
    password, token = Secret(seed["password"]), Secret(seed["token"])
    operator = seed.get("operator") is True
    await ensure_account(wiring.context, seed["email"], password, token, operator=operator)
    results = await load_files(wiring.context, [Path(item) for item in seed.get("manifests", [])])
    _log.info("seed.applied", manifests=len(results))
