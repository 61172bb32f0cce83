import asyncio
import base64
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import LargeBinary, select

from broker.apps.config_vars import get_config_vars, set_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.models import App
from broker.catalog.manifest import parse
from broker.catalog.models import AddonService
from broker.catalog.publish import publish
from broker.catalog.shared_secrets import service_secrets
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.db import Tx
from broker.kernel.vault import KEY_BYTES, KeyRing, SealBroken, Vault, key_id
from broker.metadata import metadata
from broker.rotation import RotationRunning, rewrap_all, rotate_file
from tests.catalog.samples import cache_manifest
from tests.domain import new_user
from tests.waiting import until

APPS = 210  # more than one batch
NO_PAUSE = timedelta(0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret.key"
    path.write_text(base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode() + "\n")
    path.chmod(0o600)
    return path


def keys_in(path: Path) -> list[bytes]:
    return [base64.urlsafe_b64decode(text) for text in path.read_text().split()]


def on_file(ctx: Context, path: Path) -> Context:
    """What another process with this key file works with."""
    return replace(ctx, vault=Vault(KeyRing(lambda: keys_in(path))))


@pytest_asyncio.fixture
async def running(live_ctx: Context, file: Path) -> Context:
    """A broker with secrets under the first key."""
    ctx = on_file(live_ctx, file)
    owner = await new_user(ctx, "owner@example.com")
    await create_app(ctx, owner, CreateApp(name="shop"))
    await set_config_vars(ctx, owner, "shop", {"GREETING": "hello"}, nothing_reserved)
    await publish(ctx, parse(cache_manifest()), SYSTEM)
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(select(App.__table__).limit(1))).mappings().one()
        for number in range(APPS):
            copy = dict(row) | {"id": new_app_id(number), "name": f"copy-{number}"}
            copy["data_key"] = ctx.vault.new_data_key(f"apps:{copy['id']}")[1]
            await tx.execute(App.__table__.insert().values(copy))
    return ctx


def new_app_id(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012}"


async def nothing_reserved(_tx: Tx, _app_id: object) -> frozenset[str]:
    return frozenset()


async def owner_of(ctx: Context) -> Actor:
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(select(App.owner_id).where(App.name == "shop"))).one()
    return replace(SYSTEM, id=row.owner_id, email="owner@example.com")


async def test_everything_opens_with_the_new_key_alone_and_reads_go_on_meanwhile(running: Context, file: Path) -> None:
    (old,), user, stop = keys_in(file), await owner_of(running), asyncio.Event()

    async def read_on() -> int:
        count = 0
        while not stop.is_set():
            assert await get_config_vars(running, user, "shop") == {"GREETING": "hello"}
            count += 1
        return count

    reading = asyncio.create_task(read_on())
    moved = await rotate_file(on_file(running, file), file, in_flight=NO_PAUSE)
    stop.set()
    assert await reading > 0
    assert moved == APPS + 2
    (new,) = keys_in(file)
    assert new != old
    alone = on_file(running, file)
    assert await get_config_vars(alone, user, "shop") == {"GREETING": "hello"}
    async with alone.database.transaction() as tx:
        service = (await tx.execute(select(AddonService.__table__))).mappings().one()
        apps = (await tx.execute(select(App.id, App.data_key))).all()
    opened = service_secrets(
        alone.vault, service["id"], service["data_key"], service["password_sealed"], service["sso_salt_sealed"]
    )
    assert opened.password.reveal() == "canary-password-0123456789"
    for app_id, wrapped in apps:
        assert alone.vault.unwrap(wrapped, f"apps:{app_id}")
        with pytest.raises(SealBroken):
            Vault(KeyRing(lambda: [old])).unwrap(wrapped, f"apps:{app_id}")


async def test_a_process_that_missed_the_rotation_makes_no_key_under_a_retired_one(
    running: Context, file: Path
) -> None:
    user = await owner_of(running)
    await rotate_file(on_file(running, file), file, in_flight=NO_PAUSE)
    await create_app(running, user, CreateApp(name="later"))
    assert await get_config_vars(on_file(running, file), user, "later") == {}


async def test_what_was_wrapped_just_before_and_stored_just_after_the_first_pass_is_not_lost(
    running: Context, file: Path
) -> None:
    app_id = new_app_id(APPS)
    _, wrapped = running.vault.new_data_key(f"apps:{app_id}")

    async def first_pass_is_over() -> bool:
        keys = keys_in(file)
        return len(keys) == 2 and not await unmoved(running, keys)

    rotating = asyncio.create_task(rotate_file(on_file(running, file), file, in_flight=timedelta(seconds=0.5)))
    await until(first_pass_is_over)
    async with running.database.transaction() as tx:
        row = (await tx.execute(select(App.__table__).limit(1))).mappings().one()
        late_row = dict(row) | {"id": app_id, "name": "late", "data_key": wrapped}
        await tx.execute(App.__table__.insert().values(late_row))
    await rotating
    async with running.database.transaction() as tx:
        late = (await tx.execute(select(App.data_key).where(App.name == "late"))).scalar_one()
    assert on_file(running, file).vault.unwrap(late, f"apps:{app_id}")


async def unmoved(ctx: Context, keys: list[bytes]) -> list[bytes]:
    """Wrapped keys that are under another key than the first."""
    async with ctx.database.transaction() as tx:
        found = list((await tx.execute(select(App.data_key))).scalars())
    return [wrapped for wrapped in found if wrapped[1:5] != key_id(keys[0])]


async def test_rewrapping_twice_moves_nothing_the_second_time(running: Context, file: Path) -> None:
    assert await rewrap_all(running) == 0
    fresh = base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()
    file.write_text(f"{fresh}\n{file.read_text()}")
    assert await rewrap_all(running) == APPS + 2
    assert await rewrap_all(running) == 0


async def test_two_rotations_at_once_do_not_retire_one_anothers_key(running: Context, file: Path) -> None:
    async def begun() -> bool:
        return len(keys_in(file)) == 2

    first = asyncio.create_task(rotate_file(on_file(running, file), file, in_flight=timedelta(seconds=0.3)))
    await until(begun)
    with pytest.raises(RotationRunning):
        await rotate_file(on_file(running, file), file, in_flight=NO_PAUSE)
    assert await first == APPS + 2
    assert len(keys_in(file)) == 1


async def test_the_key_file_stays_private_and_leaves_no_copy(running: Context, file: Path) -> None:
    await rotate_file(on_file(running, file), file, in_flight=NO_PAUSE)
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_every_column_that_holds_a_wrapped_key_is_known_to_the_rotation() -> None:
    wrapped = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if column.info.get("wrapped_key")
    }
    named = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, LargeBinary) and column.name.endswith("_key")
    }
    tables = ("apps", "addon_services", "authenticators", "notices", "oauth_signing_keys", "webhooks")
    assert wrapped == named == {f"{table}.data_key" for table in tables}
