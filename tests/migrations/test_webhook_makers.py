"""The migration that finds out who answers for the webhooks that are there, and stops those of people who have lost the app."""

from sqlalchemy import NullPool, create_engine, text

from broker.kernel.db import libpq_url
from broker.migrations.run import upgrade
from tests.migrations.filling import fill

ADDED = """
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


def test_webhooks_of_ex_members_stop_and_all_others_go_on(database_url: str) -> None:
    upgrade(database_url, "0028")
    url = libpq_url(database_url).replace("postgresql", "postgresql+psycopg", 1)
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        fill(connection)
        connection.execute(text("update collaborators set user_id = gen_random_uuid()"))
        people = {name: str(connection.execute(text(find)).scalar_one()) for name, find in PEOPLE.items()}
        for name, person in (people | {"ex-member": EX_MEMBER}).items():
            connection.execute(text(ADDED), {"name": name, "person": person})
    upgrade(database_url)
    with engine.connect() as connection:
        found = connection.execute(text("select url, made_by::text, stopped_for, stopped_at is null from webhooks"))
        hooks = {row[0]: tuple(row[1:]) for row in found if row[0] in (*people, "ex-member")}
    engine.dispose()
    assert hooks == {
        "owner": (people["owner"], None, True),
        "collaborator": (people["collaborator"], None, True),
        "ex-member": (EX_MEMBER, "access_lost", False),
    }
