"""From a database to a file and back, and everything that may be wrong on the way."""

import base64
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from broker.backup.container import MANIFEST, FrameWriter, read_frames, read_header
from broker.backup.errors import BackupError
from broker.backup.keys import Keys, unlock
from broker.backup.manifest import Manifest, decoded
from broker.backup.read import checked
from broker.backup.restore import Restored, restore
from broker.backup.tools import running
from broker.backup.write import back_up
from broker.migrations.run import upgrade
from tests.backup.conftest import Original, silent
from tests.engines import new_database
from tests.migrations.make_fixture import dumped


def restored(file: Path, url: str, keys: Keys, force: bool = False) -> Restored:
    with checked(file, keys, silent) as backup:
        return restore(backup, url, keys, force=force, progress=silent)


def forged(original: Original, target: Path, change: Callable[[Manifest], Manifest]) -> Path:
    """The same backup with another manifest, sealed as by somebody who has the key."""
    with original.file.open("rb") as file:
        header = read_header(file)
        key = unlock(header, original.keys).key
        frames = list(read_frames(file, key))
    out = io.BytesIO()
    writer = FrameWriter(out, key, header.fields)
    for kind, content in frames:
        writer.write(kind, change(decoded(content)).encoded() if kind == MANIFEST else content)
    target.write_bytes(out.getvalue())
    return target


def test_an_empty_database_becomes_the_one_that_was_backed_up(original: Original, database_url: str) -> None:
    done = restored(original.file, database_url, original.keys)
    assert dumped(database_url) == original.sql
    assert (done.replaced, done.keys_added) == (False, 0)
    assert done.manifest.tables["apps"] == 1
    assert done.manifest.rows > 20


def test_the_file_is_for_its_owner_alone_and_its_content_unreadable(original: Original) -> None:
    content = original.file.read_bytes()
    assert original.file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in original.file.parent.iterdir()] == [original.file.name]
    assert b"ada@example.com" not in content
    assert b"PGDMP" not in content


def test_a_database_that_is_not_empty_is_refused(original: Original, other_broker: str) -> None:
    before = dumped(other_broker)
    with pytest.raises(BackupError, match=r"not empty.*--force"):
        restored(original.file, other_broker, original.keys)
    assert dumped(other_broker) == before


def test_force_replaces_everything(original: Original, other_broker: str) -> None:
    with psycopg.connect(other_broker) as connection:
        connection.execute(
            "create table of_a_later_release (id int); create view seen as select * from of_a_later_release"
        )
        connection.execute("create type mood as enum ('good'); create function f() returns int return 1")
    assert restored(original.file, other_broker, original.keys, force=True).replaced
    assert dumped(other_broker) == original.sql


def test_not_even_force_removes_tables_that_are_no_brokers(original: Original, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("create table payroll (id int)")
    with pytest.raises(BackupError, match=r"no broker's \(payroll\)"):
        restored(original.file, database_url, original.keys, force=True)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select count(*) from payroll").fetchone() == (0,)


def test_a_failure_in_the_middle_leaves_the_old_state(original: Original, other_broker: str, tmp_path: Path) -> None:
    before, file = dumped(other_broker), tmp_path / "changed later"
    shutil.copy(original.file, file)
    with checked(file, original.keys, silent) as backup:
        with file.open("r+b") as changing:
            changing.seek(-200, 2)
            changing.write(b"\0" * 16)
        with pytest.raises(BackupError, match="changed or damaged"):
            restore(backup, other_broker, original.keys, force=True, progress=silent)
    assert dumped(other_broker) == before


KILLED_IN_THE_MIDDLE = """
import os, signal, sys
from pathlib import Path
from broker.backup.keys import Keys
from broker.backup.read import checked
from broker.backup.restore import restore

def progress(what, done):
    if what == "Restoring" and done > 2_000_000:
        os.kill(os.getpid(), signal.SIGKILL)

keys = Keys([bytes.fromhex(os.environ["KEY"])])
with checked(Path(sys.argv[1]), keys, progress) as backup:
    restore(backup, os.environ["DATABASE_URL"], keys, force=True, progress=progress)
"""


def test_a_restore_that_is_killed_leaves_the_old_state(original: Original, other_broker: str, tmp_path: Path) -> None:
    with psycopg.connect(other_broker) as connection:
        connection.execute(
            "insert into events (id, at, kind, actor_id, actor_email, data) select uuidv7(), now(), 'k', uuidv7(),"
            " concat(uuidv4(), uuidv4(), uuidv4(), uuidv4(), uuidv4(), uuidv4()), '{}' from generate_series(1, 30000)"
        )
    back_up(other_broker, original.keys, tmp_path / "big", silent)
    with psycopg.connect(other_broker) as connection:
        connection.execute("set session_replication_role = replica")  # facts are kept by triggers
        connection.execute("delete from events where id in (select id from events order by id offset 5)")
    before = dumped(other_broker)
    environment = {**os.environ, "DATABASE_URL": other_broker, "KEY": original.keys.kept[0].hex()}
    ended = subprocess.run([sys.executable, "-c", KILLED_IN_THE_MIDDLE, str(tmp_path / "big")], env=environment)
    assert ended.returncode == -signal.SIGKILL
    assert dumped(other_broker) == before
    restored(tmp_path / "big", other_broker, original.keys, force=True)
    assert dumped(other_broker).count("INSERT INTO public.events ") == 30000


def test_rows_that_are_not_those_of_the_manifest_undo_the_restore(
    original: Original, other_broker: str, tmp_path: Path
) -> None:
    before = dumped(other_broker)
    file = forged(original, tmp_path / "f", lambda told: replace(told, tables={**told.tables, "apps": 2}))
    with pytest.raises(BackupError, match=r"as it was before.*apps does not have the rows"):
        restored(file, other_broker, original.keys, force=True)
    assert dumped(other_broker) == before


def test_a_table_that_the_dump_lacks_is_noticed(original: Original, database_url: str, tmp_path: Path) -> None:
    file = forged(original, tmp_path / "f", lambda told: replace(told, tables={**told.tables, "lost": 2}))
    with pytest.raises(BackupError, match="lacks lost"):
        restored(file, database_url, original.keys)


def test_a_later_schema_is_refused_before_anything_is_touched(
    original: Original, database_url: str, tmp_path: Path
) -> None:
    file = forged(original, tmp_path / "f", lambda told: replace(told, schema_revision="9999"))
    with pytest.raises(BackupError, match=r"revision 9999.*later one"):
        restored(file, database_url, original.keys)
    assert "CREATE TABLE" not in dumped(database_url)


def test_a_database_in_use_is_refused_and_says_by_whom(original: Original, other_broker: str) -> None:
    with (
        psycopg.connect(other_broker, application_name="broker"),
        pytest.raises(BackupError, match=r"in use \(broker\)"),
    ):
        restored(original.file, other_broker, original.keys, force=True)


def test_a_backup_of_an_earlier_release_is_brought_to_todays_schema(
    original: Original, postgres_url: str, database_url: str, tmp_path: Path
) -> None:
    with new_database(postgres_url) as old:
        upgrade(old, "0001")
        back_up(old, original.keys, tmp_path / "old", silent)
    assert restored(tmp_path / "old", database_url, original.keys).manifest.schema_revision == "0001"
    with psycopg.connect(database_url) as connection:
        now = connection.execute("select version_num from alembic_version").fetchone()
    assert now is not None
    assert f"VALUES ('{now[0]}')" in original.sql


def test_what_is_written_during_a_backup_is_in_it_wholly_or_not_at_all(
    original: Original, other_broker: str, database_url: str, tmp_path: Path
) -> None:
    begun, enough = threading.Event(), threading.Event()

    def write() -> None:
        with psycopg.connect(other_broker, autocommit=True) as connection:
            while not enough.is_set():
                connection.execute(
                    "with u as (insert into users (id, email, created_at, updated_at)"
                    " values (uuidv7(), gen_random_uuid()::text, now(), now()) returning id)"
                    " insert into sso_sign_ons (addon_id, user_id, last_timestamp) select uuidv7(), id, 0 from u"
                )
                begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert begun.wait(10)
    try:
        written = back_up(other_broker, original.keys, tmp_path / "busy", silent)
    finally:
        enough.set()
        writer.join()
    restored(tmp_path / "busy", database_url, original.keys)
    assert written.manifest.tables["users"] == written.manifest.tables["sso_sign_ons"] + 1 > 1


def test_a_backup_that_fails_leaves_the_older_one(original: Original, tmp_path: Path, database_url: str) -> None:
    file = tmp_path / "nightly"
    shutil.copy(original.file, file)
    with pytest.raises(BackupError, match="holds no broker"):
        back_up(database_url, original.keys, file, silent)
    assert file.read_bytes() == original.file.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["nightly"]


def test_a_backup_by_somebody_without_the_brokers_keys_is_refused(original: Original, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"not given here: [0-9a-f]{8}"):
        back_up(original.url, Keys([os.urandom(32)]), tmp_path / "b", silent)
    assert [*tmp_path.iterdir()] == []


def test_a_database_that_does_not_answer_is_told_without_its_password(original: Original, tmp_path: Path) -> None:
    for url in ("postgresql://ada:canary@127.0.0.1:1/none", "mysql://canary", ""):
        with pytest.raises(BackupError, match="cannot be reached") as refused:
            back_up(url, original.keys, tmp_path / "b", silent)
        assert "canary" not in str(refused.value)


def test_only_a_backup_is_replaced_by_a_backup(original: Original, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("Dear Ada")
    with pytest.raises(BackupError, match="not a backup"):
        back_up(original.url, original.keys, tmp_path / "letter", silent)
    assert (tmp_path / "letter").read_text() == "Dear Ada"


def test_without_postgresqls_programs_it_says_what_to_install(
    original: Original, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGBIN", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(BackupError, match="pg_restore is not on this machine"),
        checked(original.file, original.keys, silent),
    ):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_password_is_not_among_the_arguments() -> None:
    url = "postgresql://ada:canary-of-the-url@127.0.0.1:1/none?connect_timeout=1"
    with running("psql", "-X", database_url=url, stdin=subprocess.PIPE) as tool:
        place = Path(f"/proc/{tool.process.pid}")
        assert b"canary" not in (place / "cmdline").read_bytes()
        tool.process.wait()
        assert "canary" not in tool.complaint()


def run(url: str, keys: Keys, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"DATABASE_URL": url, "BROKER_SECRET_KEY": base64.urlsafe_b64encode(keys.kept[0]).decode()}
    command = [sys.executable, "-m", "broker", *arguments]
    return subprocess.run(command, env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True)


def test_the_commands_back_up_and_restore(original: Original, database_url: str, tmp_path: Path) -> None:
    file = str(tmp_path / "broker.backup")
    made = run(original.url, original.keys, "backup", file, "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["tables"]["apps"] == 1
    done = run(database_url, original.keys, "restore", file)
    assert done.returncode == 0, done.stderr
    assert "What providers keep is not restored" in done.stderr
    assert dumped(database_url) == original.sql
