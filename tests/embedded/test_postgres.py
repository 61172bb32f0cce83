"""The launcher, on real servers: what it makes, what it survives and what it says when it cannot."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from embedded import postgres
from embedded.processes import EngineError, free_port
from tests.processes import gone

PASSWORD = "canary-8d1f"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An initialised cluster below a directory that is closed to others, as pytest's and root's own are."""
    closed = tmp_path_factory.mktemp("closed")
    closed.chmod(0o700)
    folder = closed / "postgres"
    postgres.initialise(folder, PASSWORD)
    return folder


@contextmanager
def running(data: Path, **options: Any) -> Iterator[postgres.PostgresServer]:
    server = postgres.start(data, free_port(), **options)
    try:
        yield server
    finally:
        server.stop()


def connect(server: postgres.PostgresServer, password: str = PASSWORD) -> closing[psycopg.Connection[Any]]:
    return closing(
        psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", password=password, autocommit=True)
    )


def answer(server: postgres.PostgresServer, statement: bytes) -> Any:
    with connect(server) as connection:
        row = connection.execute(statement).fetchone()
        assert row is not None
        return row[0]


def test_a_cluster_below_a_closed_directory_serves(data: Path) -> None:
    with running(data) as server:
        assert answer(server, b"select current_setting('server_encoding')") == "UTF8"
        assert answer(server, b"select datlocale from pg_database where datname = 'postgres'") == "C.UTF-8"


def test_it_listens_on_loopback_only_and_on_no_unix_socket(data: Path) -> None:
    with running(data, settings={"listen_addresses": "*", "work_mem": "5MB"}) as server:
        assert answer(server, b"show listen_addresses") == "127.0.0.1"
        assert answer(server, b"show unix_socket_directories") == ""
        assert answer(server, b"show work_mem") == "5MB"


def test_a_wrong_password_is_refused(data: Path) -> None:
    with running(data) as server, pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(server, password="other")


def test_a_second_initialise_changes_nothing(data: Path) -> None:
    postgres.initialise(data, "another password")
    with running(data) as server:
        assert answer(server, b"select 1") == 1


def test_an_interrupted_initialise_is_begun_again(tmp_path: Path) -> None:
    stage = tmp_path / "postgres.new"
    stage.mkdir()
    (stage / "PG_VERSION").write_text("18\n")
    postgres.initialise(tmp_path / "postgres", PASSWORD)
    assert [entry.name for entry in tmp_path.iterdir()] == ["postgres"]


def test_a_directory_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear reader")
    with pytest.raises(EngineError, match="not empty and not a PostgreSQL data directory"):
        postgres.initialise(tmp_path, PASSWORD)
    assert (tmp_path / "letter.txt").read_text() == "dear reader"


def test_the_data_of_another_version_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("16\n")
    with pytest.raises(EngineError, match=r"made by PostgreSQL 16.*pg_upgrade"):
        postgres.start(tmp_path, free_port())


def test_a_taken_port_is_named(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(EngineError, match=f"Port {port} on 127.0.0.1 is used"):
            postgres.start(data, port)


def test_a_server_that_refuses_its_settings_is_quoted(data: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no_such_setting"):
        postgres.start(data, free_port(), settings={"no_such_setting": "1"}, log=tmp_path / "log")


def test_committed_rows_survive_a_killed_server(data: Path) -> None:
    with running(data) as server:
        with connect(server) as connection:
            connection.execute("create table kept as select 42 as answer")
        os.kill(server.pid, signal.SIGKILL)
        gone(server.pid, reap=server.alive)
    with running(data) as server:
        assert answer(server, b"select answer from kept") == 42


def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(data: Path) -> None:
    (data / "postmaster.pid").write_text(f"{os.getppid()}\n{data}\n1700000000\n5432\n\n127.0.0.1\n  1 2\nready\n")
    with running(data) as server:
        assert answer(server, b"select 1") == 1


def test_a_server_left_behind_is_stopped_and_replaced(data: Path) -> None:
    with running(data) as left_behind, running(data) as server:
        assert not left_behind.alive()
        assert answer(server, b"select 1") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_the_server_stops_when_its_parent_is_killed(data: Path) -> None:
    program = textwrap.dedent("""
        import os, pathlib, signal, sys
        from embedded import postgres
        print(postgres.start(pathlib.Path(sys.argv[1]), int(sys.argv[2])).pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    killed = subprocess.run([sys.executable, "-c", program, data, str(free_port())], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL
    assert gone(int(killed.stdout))


def test_secrets_are_in_no_argument_file_or_log(data: Path, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with running(data, log=log) as server:
        with connect(server) as connection, pytest.raises(psycopg.errors.DuplicateObject):
            connection.execute(f"create role postgres password '{PASSWORD}'")
        arguments = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(server.pid)], capture_output=True, text=True)
        assert "postgres" in arguments.stdout
        assert PASSWORD not in arguments.stdout
    assert 'role "postgres" already exists' in log.read_text()
    assert PASSWORD not in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600
    everything = [
        path.read_bytes() for path in data.parent.rglob("*") if path.is_file() and path.stat().st_size < 10**6
    ]
    assert not any(PASSWORD.encode() in content for content in everything)
