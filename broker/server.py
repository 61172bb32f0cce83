"""The server's commands: serve, work, migrate, settings, secrets:rotate. The command line calls these and nothing else."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, NoReturn

from sqlalchemy.exc import OperationalError
from uvicorn.loops.auto import auto_loop_factory

from broker import canary, logs, rotation, worker
from broker.app import create_app
from broker.http_server import http_server
from broker.kernel.db import libpq_url
from broker.kernel.errors import DatabaseUnavailable
from broker.kernel.garbage import look_seldom
from broker.kernel.outage import DatabaseMissing, wait_until_there
from broker.migrations.run import MigrationFailed, SchemaTooNew, upgrade
from broker.seed import apply_seed
from broker.settings import Settings, SettingsError, load
from broker.testkit.listen import CannotListen, bound
from broker.wiring import Wiring, wired

_REFUSED: Final = 1
"""Exit status when the server cannot start as it is set up."""


def serve(host: str, port: int, with_worker: bool, with_canary: bool = False) -> None:
    """Migrate, then answer HTTP until a signal; with `with_worker`, advance operations in the same process too.

    With `with_canary` it also tries providers, those that reach it on the loopback.
    """
    settings = _ready()
    _run(_serve(settings, host, port, with_worker, with_canary))


def work() -> None:
    """Migrate, then advance operations until a signal."""
    settings = _ready()
    _run(_work(settings))


def try_providers(listen: tuple[str, int], origin: str | None, timeout_s: float, once: bool) -> None:
    """Migrate, then make the runs of canaries that are due, `once` or until a signal."""
    settings = _ready()
    try:
        bound(*listen).close()
    except CannotListen as error:
        _refuse(str(error))
    perch = canary.Perch(listen, origin, timeout_s, allowed=settings.outbound_allow)
    _run(_try_providers(settings, perch, once))


def migrate() -> None:
    """Bring the database to this release's schema."""
    _migrate(_settings())


def print_settings(as_json: bool) -> int:
    """Print every setting with its description, and its value unless it is secret; 1 if this environment is at fault."""
    fault = None
    try:
        values = load().model_dump(mode="json")
    except SettingsError as error:
        values, fault = {}, str(error)
    rows = [_setting_row(name, values) for name in Settings.model_fields]
    out = json.dumps({"settings": rows, "fault": fault}, indent=2) if as_json else _as_text(rows)
    sys.stdout.write(out + "\n")
    if fault and not as_json:
        sys.stderr.write(fault + "\n")
    return 1 if fault else 0


def rotate_secrets(as_json: bool) -> int:
    """Re-wrap every data key under a new key-encryption key while the broker runs, and retire the old one.

    With keys in a file, the new key is made here; with BROKER_SECRET_KEY, the first key given is the new one.
    """
    try:
        moved = asyncio.run(_rotate(_settings()))
    except rotation.RotationRunning as error:
        _refuse(str(error))
    sys.stdout.write(json.dumps({"rewrapped": moved}) + "\n" if as_json else f"Re-wrapped {moved} data keys.\n")
    return 0


async def _rotate(settings: Settings) -> int:
    async with wired(settings) as wiring:
        if settings.secret_key_file is None:
            return await rotation.rewrap_all(wiring.context)
        return await rotation.rotate_file(wiring.context, settings.secret_key_file)


def _settings() -> Settings:
    try:
        settings = load()
    except SettingsError as error:
        _refuse(str(error))
    logs.configure(settings.log_level)
    return settings


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(f"Error: {message}\n")
    raise SystemExit(_REFUSED)


def _ready() -> Settings:
    settings = _settings()
    _migrate(settings)
    return settings


def _migrate(settings: Settings) -> None:
    url = settings.database_url.get_secret_value()
    try:
        asyncio.run(wait_until_there(libpq_url(url), settings.database_wait_s, _tell))
        upgrade(url)
    except DatabaseMissing as error:
        _refuse(str(error))
    except (SchemaTooNew, MigrationFailed) as error:
        _refuse(str(error))
    except OperationalError:
        _refuse("the database of DATABASE_URL was lost while it was brought to this release's schema; start again.")


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _run(program: Coroutine[Any, Any, None]) -> None:
    """On uvloop where there is one: a tenth less processor time per request."""
    try:
        with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
            runner.run(program)
    except DatabaseUnavailable as error:  # while it started: afterwards every request and the worker bear it
        _refuse(error.message)


async def _serve(settings: Settings, host: str, port: int, with_worker: bool, with_canary: bool) -> None:
    async with wired(settings) as wiring:
        await apply_seed(wiring)
        app = create_app(wiring.context, settings, wiring.news)
        look_seldom()
        server = http_server(app, wiring.context.signals, host, port, settings.client_timeout_s)
        working = asyncio.create_task(worker.run(wiring), name="worker") if with_worker else None
        trying = asyncio.create_task(_canary(wiring), name="canary") if with_canary else None
        serving = asyncio.create_task(server.serve(), name="http")
        await asyncio.wait([task for task in (serving, working, trying) if task], return_when=asyncio.FIRST_COMPLETED)
        await _end(trying)
        await _end(working)
        await _end(serving)


async def _canary(wiring: Wiring) -> None:
    await canary.run(wiring.context, canary.Perch(allowed=wiring.settings.outbound_allow))


async def _try_providers(settings: Settings, perch: canary.Perch, once: bool) -> None:
    async with wired(settings) as wiring:
        if once:
            sys.stdout.write(f"{await canary.run_due(wiring.context, perch)} tried.\n")
        else:
            await _until_told(canary.run(wiring.context, perch))


async def _work(settings: Settings) -> None:
    async with wired(settings) as wiring:
        look_seldom()
        await _until_told(worker.run(wiring))


async def _until_told(program: Coroutine[Any, Any, None]) -> None:
    """Run it until it ends or a signal comes."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    working = asyncio.create_task(program, name="program")
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([working, stopped], return_when=asyncio.FIRST_COMPLETED)
    await _end(working)
    await _end(stopped)


async def _end(task: asyncio.Task[object] | asyncio.Task[None] | asyncio.Task[bool] | None) -> None:
    """Cancel what still runs; what failed raises here."""
    if task is None:
        return
    if not task.done():
        task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _setting_row(name: str, values: dict[str, object]) -> dict[str, object]:
    field = Settings.model_fields[name]
    variable = "DATABASE_URL" if name == "database_url" else "BROKER_" + name.upper()
    value = values.get(name)
    default = None if field.is_required() else field.default
    shown = default if default is None or isinstance(default, (int, float, str)) else str(default)
    return {"name": variable, "value": value, "default": shown, "description": field.description}


def _as_text(rows: list[dict[str, object]]) -> str:
    return "\n".join(
        f"{row['name']}\n    {row['description']}\n    now: {row['value']}   default: {row['default']}" for row in rows
    )
