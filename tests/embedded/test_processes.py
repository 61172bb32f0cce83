"""Accounts, ports and log files of child processes."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from embedded.processes import LOG_CAP_BYTES, Account, free_port, open_log, port_is_free, unprivileged


def test_a_free_port_is_free_until_somebody_listens() -> None:
    port = free_port()
    assert port_is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not port_is_free(port)


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user is the account already")
def test_as_root_a_child_runs_under_an_account_without_power() -> None:
    account = unprivileged()
    shown = subprocess.run(["/usr/bin/id", "-u"], capture_output=True, text=True, cwd="/", **account.popen()).stdout
    assert int(shown) == account.uid != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user owns what it makes")
def test_as_root_the_owner_of_existing_data_stays_the_account(tmp_path: Path) -> None:
    Account(4321, 4321).own(tmp_path)
    assert unprivileged(owner_of=tmp_path) == Account(4321, 4321)


def test_an_account_cannot_reach_below_a_closed_directory(tmp_path: Path) -> None:
    stranger = Account(54321, 54321)
    (tmp_path / "closed" / "data").mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    assert not stranger.can_reach(tmp_path / "closed" / "data")
    assert stranger.can_reach(Path("/usr"))
    assert Account().can_reach(tmp_path / "closed" / "data")


def test_a_log_is_private_appended_to_and_set_aside_when_large(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    for line in (b"one\n", b"two\n"):
        with open_log(path) as log:
            log.write(line)
    assert path.read_bytes() == b"one\ntwo\n"
    assert path.stat().st_mode & 0o777 == 0o600
    os.truncate(path, LOG_CAP_BYTES + 1)
    open_log(path).close()
    assert path.stat().st_size == 0
    assert (tmp_path / "server.log.1").stat().st_size == LOG_CAP_BYTES + 1
