from datetime import UTC, datetime

import pytest
from sqlalchemy import bindparam, insert, select

from broker.accounts.models import User
from broker.addons.models import Operation
from broker.events.models import Event
from broker.kernel.context import Context
from broker.kernel.direct import Direct
from broker.kernel.ids import new_id

AT = datetime(2026, 11, 21, tzinfo=UTC)
ADD = Direct(insert(User).values(id=bindparam("id"), email=bindparam("email"), created_at=AT, updated_at=AT))
FIND = Direct(select(User.id, User.email).where(User.email == bindparam("email")))


async def test_it_is_part_of_the_transaction_also_as_its_first_statement(live_ctx: Context) -> None:
    async def add_and_fail() -> None:
        async with live_ctx.database.transaction() as tx:
            await ADD.all(tx, id=new_id(), email="gone@example.com")
            assert await FIND.first(tx, email="gone@example.com") is not None
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        await add_and_fail()
    assert await FIND.read(live_ctx.database, email="gone@example.com") == []


async def test_what_it_wrote_is_committed_with_the_transaction(live_ctx: Context) -> None:
    async with live_ctx.database.transaction() as tx:
        await ADD.all(tx, id=new_id(), email="kept@example.com")
    assert [row["email"] for row in await FIND.read(live_ctx.database, email="kept@example.com")] == [
        "kept@example.com"
    ]


async def test_a_connection_that_the_server_ended_is_not_used_again(live_ctx: Context) -> None:
    async def read_from_the_dead() -> None:
        async with live_ctx.database.reading() as driver:
            async with live_ctx.database.reading() as other:
                await other.execute(f"select pg_terminate_backend({driver.get_server_pid()})")
            await driver.fetch("select 1")

    with pytest.raises(Exception):  # noqa: B017, PT011 - which one depends on how far the news has come
        await read_from_the_dead()
    for _ in range(10):
        assert await FIND.read(live_ctx.database, email="nobody@example.com") == []


async def test_reading_beside_an_open_transaction_is_refused(ctx: Context) -> None:
    async with ctx.database.transaction():
        with pytest.raises(RuntimeError, match="open already"):
            await FIND.read(ctx.database, email="x")


def test_a_parameter_without_a_value_is_refused() -> None:
    with pytest.raises(KeyError, match="email"):
        FIND.call({})


def test_columns_of_json_are_refused_and_arguments_of_json_are_encoded() -> None:
    with pytest.raises(TypeError, match="history"):
        Direct(select(Operation.history)).call({})
    written = Direct(insert(Event).values(id=None, data=bindparam("data")))
    assert written.call({"data": {"a": 1}})[2:] == ('{"a": 1}',)


def test_constants_in_lists_are_rendered() -> None:
    text, *arguments = Direct(select(User.id).where(User.email.in_(("a", "b")))).call({})
    assert text.endswith("IN ($1::VARCHAR, $2::VARCHAR)")
    assert arguments == ["a", "b"]
