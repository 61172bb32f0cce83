"""Config vars and releases: who owns what, what is refused, what is stored."""

import asyncio

import pytest
from sqlalchemy import select

from broker.apps.config_vars import get_config_vars, set_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.models import ConfigVar, Release
from broker.apps.release_history import get_release, list_releases, release_config_vars
from broker.apps.resolve import AppView
from broker.apps.rollback import roll_back
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Forbidden, InvalidParams, NotFound
from broker.kernel.ids import new_id
from tests.apps.conftest import give, nothing_reserved, take
from tests.domain import new_user, with_scopes


@pytest.fixture
async def app(ctx: Context, alice: Actor) -> AppView:
    return await create_app(ctx, alice, CreateApp("demo"))


async def put(ctx: Context, actor: Actor, **values: str | None) -> dict[str, str]:
    return await set_config_vars(ctx, actor, "demo", values, nothing_reserved)


async def descriptions(ctx: Context, actor: Actor) -> list[str]:
    releases = await list_releases(ctx, actor, "demo", newest_first=False, limit=100)
    assert [release.version for release in releases] == list(range(1, len(releases) + 1))
    return [release.description for release in releases][1:]


@pytest.mark.usefixtures("app")
async def test_every_change_is_a_release_with_the_whole_environment(ctx: Context, alice: Actor) -> None:
    assert await put(ctx, alice, FOO="1") == {"FOO": "1"}
    assert await put(ctx, alice, BAR="2", FOO="3") == {"BAR": "2", "FOO": "3"}
    assert await put(ctx, alice, FOO=None) == {"BAR": "2"}
    assert await put(ctx, alice, BAR=None, BAZ="4") == {"BAZ": "4"}
    assert await descriptions(ctx, alice) == [
        "Set FOO config vars",
        "Set BAR, FOO config vars",
        "Remove FOO config vars",
        "Set BAZ config vars, remove BAR config vars",
    ]
    assert await release_config_vars(ctx, alice, "demo", "v3") == {"BAR": "2", "FOO": "3"}


@pytest.mark.usefixtures("app")
async def test_changing_nothing_makes_no_release(ctx: Context, alice: Actor) -> None:
    await put(ctx, alice, FOO="1")
    assert await put(ctx, alice, FOO="1", GONE=None) == {"FOO": "1"}
    assert len(await descriptions(ctx, alice)) == 1


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("value", ["", "ünïcode \N{PILE OF POO}", "two\nlines\r\n", "'\"$`\\", "\x01\x1f\x7f", " x "])
async def test_any_text_round_trips(ctx: Context, alice: Actor, value: str) -> None:
    await put(ctx, alice, FOO=value)
    assert await get_config_vars(ctx, alice, "demo") == {"FOO": value}
    assert await release_config_vars(ctx, alice, "demo", "2") == {"FOO": value}


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "Ä", "A\n", "A\0", "a.b", "\ud800"])
async def test_a_bad_name_is_refused(ctx: Context, alice: Actor, name: str) -> None:
    with pytest.raises(InvalidParams, match=r"^Config var names"):
        await set_config_vars(ctx, alice, "demo", {name: "x"}, nothing_reserved)


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(("value", "reason"), [("a\0b", "NUL"), ("\ud800", "Unicode"), ("x" * 65537, "64 KiB")])
async def test_a_bad_value_is_refused_without_quoting_it(ctx: Context, alice: Actor, value: str, reason: str) -> None:
    with pytest.raises(InvalidParams, match=reason) as refusal:
        await put(ctx, alice, FOO=value)
    assert value not in refusal.value.message


async def test_the_whole_environment_has_a_limit_for_users_and_attachments(
    ctx: Context, alice: Actor, app: AppView
) -> None:
    most = "x" * 65536
    await put(ctx, alice, A=most, B=most, C=most, D="x" * 65532)
    with pytest.raises(InvalidParams, match="256 KiB"):
        await put(ctx, alice, E="")
    with pytest.raises(InvalidParams, match="256 KiB"):
        await give(ctx, app.id, new_id(), {"E": ""})
    assert len(await descriptions(ctx, alice)) == 1


async def test_what_an_attachment_gives_cannot_be_changed_or_removed(ctx: Context, alice: Actor, app: AppView) -> None:
    await give(ctx, app.id, new_id(), {"DATABASE_URL": "postgres://x", "OTHER": "y"})
    for changes in ({"DATABASE_URL": "mine", "OTHER": None}, {"OTHER": "", "DATABASE_URL": None, "OK": "1"}):
        with pytest.raises(InvalidParams, match=r"^Cannot overwrite attachment values DATABASE_URL, OTHER\.$"):
            await put(ctx, alice, **changes)
    assert await get_config_vars(ctx, alice, "demo") == {"DATABASE_URL": "postgres://x", "OTHER": "y"}


async def test_what_is_sent_back_unchanged_stays_the_attachments(ctx: Context, alice: Actor, app: AppView) -> None:
    attachment = new_id()
    await give(ctx, app.id, attachment, {"DATABASE_URL": "postgres://x"})
    await put(ctx, alice, DATABASE_URL="postgres://x", FOO="1")
    assert (await descriptions(ctx, alice))[-1] == "Set FOO config vars"
    await take(ctx, app.id, attachment, "DATABASE_URL")
    assert await get_config_vars(ctx, alice, "demo") == {"FOO": "1"}


async def test_detaching_takes_exactly_what_the_attachment_gave(ctx: Context, alice: Actor, app: AppView) -> None:
    first, second = new_id(), new_id()
    await give(ctx, app.id, first, {"A_URL": "1"})
    await give(ctx, app.id, second, {"B_URL": "2"})
    await put(ctx, alice, OWN="3")
    await take(ctx, app.id, first, "A_URL", "B_URL", "OWN")
    assert await get_config_vars(ctx, alice, "demo") == {"B_URL": "2", "OWN": "3"}


@pytest.mark.usefixtures("app")
async def test_names_reserved_for_an_addon_that_is_on_its_way_are_taken(ctx: Context, alice: Actor) -> None:
    async def reserved(_tx: Tx, _app_id: object) -> frozenset[str]:
        return frozenset({"REDIS_URL"})

    with pytest.raises(InvalidParams, match=r"REDIS_URL\.$"):
        await set_config_vars(ctx, alice, "demo", {"REDIS_URL": "mine"}, reserved)


async def test_a_rollback_restores_the_apps_own_vars_and_leaves_attachments_alone(
    ctx: Context, alice: Actor, app: AppView
) -> None:
    old, new = new_id(), new_id()
    await give(ctx, app.id, old, {"OLD_URL": "1"})
    await put(ctx, alice, FOO="1", NEW_URL="own")
    await put(ctx, alice, FOO="2", NEW_URL=None, BAR="3")
    await take(ctx, app.id, old, "OLD_URL")
    await give(ctx, app.id, new, {"NEW_URL": "given"})
    release = await roll_back(ctx, alice, "demo", "v3", nothing_reserved)
    assert (release.version, release.description, release.current) == (7, "Rollback to v3", True)
    assert await get_config_vars(ctx, alice, "demo") == {"FOO": "1", "NEW_URL": "given"}
    with pytest.raises(InvalidParams, match="NEW_URL"):
        await put(ctx, alice, NEW_URL="mine")


async def test_a_rollback_to_what_is_already_so_is_a_release_too(ctx: Context, alice: Actor, app: AppView) -> None:
    current = await get_release(ctx, alice, str(app.id), "current")
    release = await roll_back(ctx, alice, "demo", str(current.id), nothing_reserved)
    assert release.version == 2
    for unknown in ("v9", "9" * 30, "x", "", "²", str(new_id())):
        with pytest.raises(NotFound):
            await roll_back(ctx, alice, "demo", unknown, nothing_reserved)


@pytest.mark.usefixtures("app")
async def test_nothing_is_stored_in_the_clear_and_no_seal_fits_another_place(ctx: Context, alice: Actor) -> None:
    await put(ctx, alice, FOO="canary-1", BAR="canary-2")
    async with ctx.database.transaction() as tx:
        sealed = (await tx.execute(select(ConfigVar.value_sealed))).scalars().all()
        sealed += (await tx.execute(select(Release.snapshot_sealed))).scalars().all()
    assert len(set(sealed)) == 4
    assert not any(b"canary" in value for value in sealed)


async def test_releases_of_one_app_made_at_once_are_numbered_without_gaps(live_ctx: Context) -> None:
    alice = await new_user(live_ctx, "alice@example.com")
    await create_app(live_ctx, alice, CreateApp("demo"))
    await asyncio.gather(*(put(live_ctx, alice, **{f"V{number}": "x"}) for number in range(8)))
    assert len(await descriptions(live_ctx, alice)) == 8
    assert set(await release_config_vars(live_ctx, alice, "demo", "9")) == {f"V{number}" for number in range(8)}


async def test_releases_are_paged_in_both_directions(ctx: Context, alice: Actor, app: AppView) -> None:
    for number in range(4):
        await put(ctx, alice, FOO=str(number))

    async def versions(*, newest_first: bool, after: int | None) -> list[int]:
        found = await list_releases(ctx, alice, app.name, newest_first=newest_first, limit=2, after=after)
        return [release.version for release in found]

    assert await versions(newest_first=True, after=None) == [5, 4]
    assert await versions(newest_first=True, after=4) == [3, 2]
    assert await versions(newest_first=False, after=4) == [5]


@pytest.mark.usefixtures("app")
async def test_config_needs_the_protected_scopes(ctx: Context, alice: Actor) -> None:
    with pytest.raises(Forbidden, match="read-protected"):
        await get_config_vars(ctx, with_scopes(alice, Scope.READ), "demo")
    with pytest.raises(Forbidden, match="write-protected"):
        await put(ctx, with_scopes(alice, Scope.WRITE, Scope.READ_PROTECTED), FOO="1")
    assert await get_config_vars(ctx, with_scopes(alice, Scope.READ_PROTECTED), "demo") == {}
