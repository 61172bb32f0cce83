"""Where a login is kept, who can read it, and to whom its token is sent."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest

from broker.cli.credentials import Login, credentials_file, current_login, normal_url, store_login
from broker.cli.errors import CliError, Exit, NotLoggedIn
from tests.cli.conftest import Broker, Canned

MADE = {"id": "a1", "user": {"email": "ada@example.com"}, "access_token": {"token": "tok-1"}}


@pytest.mark.usefixtures("cli_home")
def test_only_the_user_can_read_the_credentials() -> None:
    path = store_login(Login("http://127.0.0.1:1", "t"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["credentials.json"]
    assert current_login().token == "t"


@pytest.mark.usefixtures("cli_home")
def test_a_stored_token_is_not_sent_to_another_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    store_login(Login("http://127.0.0.1:1", "t"))
    monkeypatch.setenv("BROKER_URL", "http://127.0.0.1:2")
    with pytest.raises(NotLoggedIn, match=r"no login for http://127\.0\.0\.1:2"):
        current_login()


@pytest.mark.usefixtures("cli_home")
def test_the_environment_goes_before_the_stored_login(monkeypatch: pytest.MonkeyPatch) -> None:
    store_login(Login("http://127.0.0.1:1", "t"))
    monkeypatch.setenv("BROKER_URL", "http://127.0.0.1:2/")
    monkeypatch.setenv("BROKER_TOKEN", "env")
    assert current_login() == Login("http://127.0.0.1:2", "env", from_env=True)


def test_a_login_does_not_show_its_token() -> None:
    assert "secret" not in repr(Login("http://x", "secret"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://x",
        "http://u:p@host",
        "http://",
        "http://h:99999",
        "http://h:x",
        "http://a b",
        "http://[::1",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(CliError):
        normal_url(url)


def test_a_token_that_cannot_be_sent_is_refused_and_not_told(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_URL", "http://127.0.0.1:1")
    for token in ("sec\nret", "sécret"):
        monkeypatch.setenv("BROKER_TOKEN", token)
        result = broker("whoami")
        assert result.status == Exit.FAILED
        assert "BROKER_TOKEN" in result.err
        assert "ret" not in result.err


def test_a_broken_credentials_file_is_told_with_what_to_do(broker: Broker, cli_home: Path) -> None:
    path = credentials_file()
    path.parent.mkdir(parents=True)
    path.write_text("[1]")
    result = broker("apps")
    assert result.status == Exit.FAILED
    assert str(path) in result.err
    assert cli_home in path.parents


def test_login_reads_the_password_from_standard_input(
    broker: Broker, canned: Canned, monkeypatch: pytest.MonkeyPatch
) -> None:
    canned.answer("POST /oauth/authorizations", 201, MADE)
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    result = broker("login", "-i", "--url", canned.url, "--email", "ada@example.com")
    assert (result.status, result.out) == (0, f"Logged in to {canned.url} as ada@example.com.\n")
    assert canned.seen[0][1]["authorization"] == "Basic YWRhQGV4YW1wbGUuY29tOmNvcnJlY3QgaG9yc2U="
    assert json.loads(credentials_file().read_text())["token"] == "tok-1"
    assert broker("auth:token").out == "tok-1\n"


def test_logout_revokes_the_token_and_forgets_it(broker: Broker, canned: Canned) -> None:
    store_login(Login(canned.url, "tok-1", "ada@example.com", "a1"))
    canned.answer("DELETE /oauth/authorizations/a1", 200, MADE)
    assert broker("logout").status == 0
    assert [request for request, _, _ in canned.seen] == ["DELETE /oauth/authorizations/a1"]
    assert not credentials_file().exists()


def test_a_wrong_password_is_told_as_such(broker: Broker, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> None:
    canned.answer("POST /oauth/authorizations", 401, {"id": "unauthorized", "message": "Invalid credentials provided."})
    monkeypatch.setattr("sys.stdin", io.StringIO("wrong\n"))
    result = broker("login", "--url", canned.url, "--email", "ada@example.com")
    assert result.status == Exit.LOGIN
    assert "Check e-mail and password" in result.err
    assert "wrong" not in result.err
    assert not credentials_file().exists()
