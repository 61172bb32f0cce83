"""Alembic's environment: runs the migrations on the connection that `run.py` hands over, in one transaction."""

from alembic import context

from broker.metadata import metadata


def _run() -> None:
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata, compare_type=True, include_name=_ours)
    with context.begin_transaction():
        context.run_migrations()


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    return not (kind == "table" and (name or "").startswith("procrastinate_"))


_run()
