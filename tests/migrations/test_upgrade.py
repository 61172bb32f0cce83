"""Upgrading keeps what is there: from every revision, and also when a migration fails half way."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, create_engine, text
from sqlalchemy.pool import NullPool

from broker.kernel.db import libpq_url
from broker.migrations.run import VERSIONS, MigrationFailed, configuration, upgrade
from tests.migrations.filling import fill, reflected, rows

REVISIONS = [item.revision for item in ScriptDirectory.from_config(configuration()).walk_revisions()][::-1]
STEPS = list(pairwise(REVISIONS))

FAILS_HALF_WAY = """
from alembic import op
import sqlalchemy as sa

revision = "next"
down_revision = "{head}"

def upgrade():
    op.add_column("apps", sa.Column("colour", sa.Text(), nullable=True))
    op.execute("update apps set name = 'ruined by the migration'")
    op.drop_table("events")
    {fault}
"""

ADDED_WEBHOOK = """
with hook as (
  insert into webhooks (id, app_id, include, level, url, host, data_key, secret_sealed, created_at, updated_at)
  select gen_random_uuid(), id, '{api:app}', 'sync', :name, 'x', '', '', now(), now() from apps returning id, app_id
)
insert into events (id, at, kind, actor_id, actor_email, app_id, data)
select gen_random_uuid(), now(), 'webhook.added', cast(:person as uuid), 'x', app_id, jsonb_build_object('webhook', id)
from hook
"""
PEOPLE = {"owner": "select owner_id from apps", "collaborator": "select user_id from collaborators"}
EX_MEMBER = "00000000-0000-7000-8000-000000000001"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(libpq_url(database_url).replace("postgresql", "postgresql+psycopg", 1), poolclass=NullPool)
    yield engine
    engine.dispose()


def later_release(folder: Path, fault: str) -> Path:
    """Our migrations and one more, which fails with `fault` after it has done a lot."""
    for file in VERSIONS.glob("*.py"):
        (folder / file.name).write_text(file.read_text())
    (folder / "next.py").write_text(FAILS_HALF_WAY.format(head=REVISIONS[-1], fault=fault))
    return folder


def everything(connection: Connection) -> dict[str, list[dict[str, object]]]:
    return {table.name: rows(connection, table) for table in reflected(connection).sorted_tables}


def schema(found: MetaData) -> dict[tuple[str, str], str]:
    return {(table.name, column.name): repr(column.type) for table in found.tables.values() for column in table.columns}


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_row_written_at_a_revision_is_there_after_the_upgrade(
    database_url: str, engine: Engine, revision: str
) -> None:
    upgrade(database_url, revision)
    with engine.begin() as connection:
        before = fill(connection)
    assert all(before[name] for name in before if not name.startswith("procrastinate_"))
    assert len(before["procrastinate_jobs"]) == 1
    upgrade(database_url)
    with engine.connect() as connection:
        after = everything(connection)
    for name, kept in before.items():
        assert [{key: row[key] for key in kept[0]} for row in after[name]] == kept


@pytest.mark.parametrize(("before", "after"), STEPS)
def test_the_previous_release_can_still_write_after_a_migration(
    database_url: str, engine: Engine, before: str, after: str
) -> None:
    upgrade(database_url, before)
    with engine.connect() as connection:
        old = reflected(connection)
    upgrade(database_url, after)
    with engine.connect() as connection:
        new = reflected(connection)
    assert schema(old).items() <= schema(new).items()
    added = [
        new.tables[table].columns[name]
        for table, name in schema(new).keys() - schema(old).keys()
        if table in old.tables
    ]
    assert [
        f"{column.table}.{column.name}" for column in added if not column.nullable and column.server_default is None
    ] == []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ('op.execute("select no_such_function()")', r"no_such_function\(\) does not exist"),
        ('raise KeyError("a bug in the migration")', "a bug in the migration"),
    ],
)
def test_a_migration_that_fails_half_way_leaves_the_old_schema_and_says_what_to_do(
    database_url: str, engine: Engine, tmp_path: Path, fault: str, reason: str
) -> None:
    upgrade(database_url)
    with engine.begin() as connection:
        fill(connection)
        before, old = everything(connection), schema(reflected(connection))
    with pytest.raises(MigrationFailed, match=rf"{reason}.*Nothing was changed.*still works.*remove the cause"):
        upgrade(database_url, versions=later_release(tmp_path, fault))
    upgrade(database_url)
    with engine.connect() as connection:
        assert everything(connection) == before
        assert schema(reflected(connection)) == old


def test_a_failed_migration_does_not_tell_what_is_in_the_rows(database_url: str, tmp_path: Path) -> None:
    upgrade(database_url)
    fault = "op.execute(\"select 'canary'::int\")"
    with pytest.raises(MigrationFailed) as failed:
        upgrade(database_url, versions=later_release(tmp_path, fault.replace("canary", "1'' or canary")))
    assert "select" not in str(failed.value)


def test_a_failed_migration_lets_the_next_start_try_again(database_url: str, tmp_path: Path) -> None:
    upgrade(database_url)
    broken = later_release(tmp_path, 'raise RuntimeError("first try")')
    with pytest.raises(MigrationFailed, match="first try"):
        upgrade(database_url, versions=broken)
    (broken / "next.py").write_text(FAILS_HALF_WAY.format(head=REVISIONS[-1], fault=""))
    upgrade(database_url, versions=broken)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select version_num from alembic_version").fetchone() == ("next",)


def test_webhooks_of_ex_members_stop_with_the_migration_and_all_others_go_on(database_url: str, engine: Engine) -> None:
    upgrade(database_url, "0028")
    with engine.begin() as connection:
        fill(connection)
        connection.execute(text("update collaborators set user_id = gen_random_uuid()"))
        people = {name: str(connection.execute(text(find)).scalar_one()) for name, find in PEOPLE.items()}
        for name, person in (people | {"ex-member": EX_MEMBER}).items():
            connection.execute(text(ADDED_WEBHOOK), {"name": name, "person": person})
    upgrade(database_url)
    with engine.connect() as connection:
        found = connection.execute(text("select url, made_by::text, stopped_for, stopped_at is null from webhooks"))
        hooks = {row[0]: tuple(row[1:]) for row in found if row[0] in (*people, "ex-member")}
    assert hooks == {
        "owner": (people["owner"], None, True),
        "collaborator": (people["collaborator"], None, True),
        "ex-member": (EX_MEMBER, "access_lost", False),
    }
