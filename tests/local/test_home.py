"""The home directory: what is made once, what stays, and who may read it."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from broker.local.home import Home, HomeError, default_home, opened, write_private


def test_ports_and_secrets_are_the_same_at_the_next_start(tmp_path: Path) -> None:
    first = Home(tmp_path)
    seen = (first.port("mail"), first.port("redis"), first.secret("demo token", prefix="HRKU-"))
    second = Home(tmp_path)
    assert (second.port("mail"), second.port("redis"), second.secret("demo token")) == seen
    assert len(set(seen)) == 3
    assert seen[2].startswith("HRKU-")


def test_everything_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    with opened(tmp_path / "new" / "home") as home:
        home.secret("demo password")
        home.make_secret_key()
        home.provider("mail")
        found = [home.path, *home.path.rglob("*")]
        assert {path.name for path in found} == {"home", "lock", "state.json", "secret.key", "providers", "mail"}
        assert not any(path.stat().st_mode & 0o077 for path in found)


def test_the_secret_key_is_made_once_as_32_random_bytes(tmp_path: Path) -> None:
    Home(tmp_path).make_secret_key()
    [line] = (tmp_path / "secret.key").read_text().splitlines()
    assert len(base64.urlsafe_b64decode(line)) == 32
    Home(tmp_path).make_secret_key()
    assert (tmp_path / "secret.key").read_text() == line + "\n"


def test_a_lost_secret_key_is_not_replaced_when_there_is_data_under_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.secret("demo password")
    home.database.mkdir()
    with pytest.raises(HomeError, match=r"secret\.key is missing.*backup"):
        home.make_secret_key()


@pytest.mark.parametrize(("content", "reason"), [(None, "is missing"), ("{", "is damaged"), ("[]", "is damaged")])
def test_lost_or_damaged_state_is_not_invented_anew(tmp_path: Path, content: str | None, reason: str) -> None:
    (tmp_path / "postgres").mkdir()
    if content is not None:
        (tmp_path / "state.json").write_text(content)
    with pytest.raises(HomeError, match=rf"state\.json {reason}"):
        Home(tmp_path)


def test_a_home_in_use_is_refused_and_names_the_holder(tmp_path: Path) -> None:
    refusal = pytest.raises(HomeError, match=rf"process {os.getpid()}\) is already running on")
    with opened(tmp_path), refusal, opened(tmp_path):
        pass


def test_a_home_is_free_again_when_its_holder_was_killed(tmp_path: Path) -> None:
    program = "import os, pathlib, sys; from broker.local.home import opened\nwith opened(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", program, tmp_path]).returncode == -9
    with opened(tmp_path) as home:
        assert home.path == tmp_path


def test_a_home_that_cannot_be_made_is_a_plain_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HomeError, match="cannot be used as home"), opened(tmp_path / "file" / "home"):
        pass


def test_a_private_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, json.dumps({"new": True}))
    assert json.loads(path.read_text()) == {"new": True}
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_home_may_be_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BROKER_HOME", str(tmp_path))
    assert default_home() == tmp_path
    monkeypatch.delenv("BROKER_HOME")
    assert default_home().name == "addon-broker"
