from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from broker.kernel.db import libpq_url
from broker.metadata import metadata
from broker.migrations.run import SchemaTooNew, upgrade


def test_the_migrations_give_exactly_the_tables_that_the_models_declare(migrated_database: str) -> None:
    engine = create_engine(libpq_url(migrated_database).replace("postgresql", "postgresql+psycopg", 1))
    with engine.connect() as connection:
        options = {"include_name": lambda name, kind, _: not (kind == "table" and name.startswith("procrastinate_"))}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    engine.dispose()
    assert differences == []


def test_two_processes_that_migrate_at_once_both_find_the_schema_done(database_url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: upgrade(database_url), range(2)))
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select count(*) from alembic_version").fetchone() == (1,)


def test_a_database_of_a_later_release_is_refused_with_what_to_do(database_url: str) -> None:
    upgrade(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    with pytest.raises(SchemaTooNew, match="later one"):
        upgrade(database_url)
