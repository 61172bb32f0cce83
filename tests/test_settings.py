import base64
import json
import os
from pathlib import Path

import pytest

from broker.server import print_settings
from broker.settings import Settings, SettingsError, load

SECRET = "canary-value-that-must-not-be-quoted"
URL = "postgresql://broker:pass-word@127.0.0.1:5432/broker"


def key(bytes_: bytes | None = None) -> str:
    return base64.urlsafe_b64encode(os.urandom(32) if bytes_ is None else bytes_).decode()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was given the two necessary settings and nothing else."""
    for name in [name for name in os.environ if name.startswith("BROKER_") or name == "DATABASE_URL"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("BROKER_SECRET_KEY", key())


def faults() -> list[str]:
    with pytest.raises(SettingsError) as refusal:
        load()
    assert SECRET not in str(refusal.value)
    return str(refusal.value).splitlines()


def test_two_settings_are_enough() -> None:
    settings = load()
    assert settings.database_url.get_secret_value() == URL
    assert [len(key) for key in settings.key_encryption_keys()] == [32]
    assert settings.outbound_allow == ()


def test_every_fault_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("BROKER_SECRET_KEY", "c2hvcnQ=")
    monkeypatch.setenv("BROKER_POOL_SIZE", "0")
    monkeypatch.setenv("BROKER_PUBLIC_URL", "broker.example.com")
    monkeypatch.setenv("BROKER_LOG_LEVEL", "loud")
    monkeypatch.setenv("BROKER_PUBLICURL", "x")
    told = faults()
    assert sorted(line.split(":")[0] for line in told) == [
        "BROKER_LOG_LEVEL",
        "BROKER_POOL_SIZE",
        "BROKER_PUBLICURL",
        "BROKER_PUBLIC_URL",
        "BROKER_SECRET_KEY",
        "DATABASE_URL",
    ]
    assert "DATABASE_URL: is required" in told
    assert "BROKER_PUBLICURL: there is no such setting; `broker settings` lists them" in told


@pytest.mark.parametrize("name", ["BROKER_SECRET", "BROKER_DATABASE_URL", "BROKER_"])
def test_an_unknown_variable_with_our_prefix_stops_the_start(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, SECRET)
    assert faults() == [f"{name}: there is no such setting; `broker settings` lists them"]


def test_variables_of_the_command_line_are_none_of_the_servers_business(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BROKER_URL", "BROKER_TOKEN", "BROKER_APP", "BROKER_HOME"):
        monkeypatch.setenv(name, "x")
    assert load().pool_size == 10


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", SECRET),
        ("DATABASE_URL", f"mysql://{SECRET}"),
        ("BROKER_SECRET_KEY", SECRET),
        ("BROKER_SECRET_KEY_FILE", SECRET),
        ("BROKER_PUBLIC_URL", SECRET),
        ("BROKER_PUBLIC_URL", f"https://user:{SECRET}@example.com"),
        ("BROKER_OUTBOUND_ALLOW", SECRET),
        ("BROKER_OPERATION_WAIT_S", SECRET),
        ("BROKER_POOL_SIZE", SECRET),
        ("BROKER_LOG_LEVEL", SECRET),
        ("BROKER_SMTP_URL", f"http://user:{SECRET}@example.com"),
        ("BROKER_SMTP_URL", f"smtp://mail.example.com/{SECRET}"),
        ("BROKER_MAIL_FROM", SECRET),
        ("BROKER_MAIL_FROM", f"A <a@example.com>, B <{SECRET}@example.com>"),
        ("BROKER_MAIL_FROM", f"A <a@example.com>\nBcc: {SECRET}@example.com"),
        ("BROKER_SIGN_UP", SECRET),
    ],
)
def test_no_fault_quotes_a_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert [line.split(":")[0] for line in faults()] == [name]


@pytest.mark.parametrize(
    "value",
    [
        "",
        ",",
        "change-me",
        key(b"\0" * 32),
        key(b"ab" * 16),
        key(bytes(range(31))),
        key(bytes(range(33))),
        bytes(range(32)).hex(),
        "é" * 44,
        f"{key(bytes(range(32)))},short",
    ],
)
def test_weak_and_malformed_keys_are_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("BROKER_SECRET_KEY", value)
    (fault,) = faults()
    assert fault.startswith("BROKER_SECRET_KEY: ")
    assert value == "" or value not in fault or value == ","


def test_several_keys_are_given_with_the_primary_first(monkeypatch: pytest.MonkeyPatch) -> None:
    new, old = os.urandom(32), os.urandom(32)
    monkeypatch.setenv("BROKER_SECRET_KEY", f"{key(new)}, {key(old)}")
    assert load().key_encryption_keys() == [new, old]


def test_a_key_is_needed_from_exactly_one_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(key())
    monkeypatch.setenv("BROKER_SECRET_KEY_FILE", str(file))
    assert "exactly one of" in faults()[0]
    monkeypatch.delenv("BROKER_SECRET_KEY_FILE")
    monkeypatch.delenv("BROKER_SECRET_KEY")
    assert "exactly one of" in faults()[0]
    assert "make a key with" in faults()[0]


def test_a_key_file_is_read_again_at_each_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, second, file = os.urandom(32), os.urandom(32), tmp_path / "key"
    file.write_text(key(first) + "\n")
    monkeypatch.delenv("BROKER_SECRET_KEY")
    monkeypatch.setenv("BROKER_SECRET_KEY_FILE", str(file))
    settings = load()
    assert settings.key_encryption_keys() == [first]
    file.write_text(f"{key(second)}\n{key(first)}\n")
    assert settings.key_encryption_keys() == [second, first]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"short"])
def test_a_key_file_without_a_key_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "key").write_bytes(content)
    monkeypatch.delenv("BROKER_SECRET_KEY")
    monkeypatch.setenv("BROKER_SECRET_KEY_FILE", str(tmp_path / "key"))
    assert [line.split(":")[0] for line in faults()] == ["BROKER_SECRET_KEY_FILE"]


@pytest.mark.parametrize(
    ("given", "origin"),
    [("https://broker.example.com/", "https://broker.example.com"), ("http://[::1]:80", "http://[::1]:80")],
)
def test_the_public_url_is_an_origin(monkeypatch: pytest.MonkeyPatch, given: str, origin: str) -> None:
    monkeypatch.setenv("BROKER_PUBLIC_URL", given)
    assert load().public_url == origin


@pytest.mark.parametrize(
    "given", ["ftp://x", "https://", "https://x/path", "https://x?q", "https://x#f", "https://a b"]
)
def test_anything_else_is_no_public_url(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("BROKER_PUBLIC_URL", given)
    assert "must be an origin" in faults()[0]


def test_networks_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_OUTBOUND_ALLOW", "127.0.0.0/8, ::1/128,")
    assert [str(network) for network in load().outbound_allow] == ["127.0.0.0/8", "::1/128"]
    monkeypatch.setenv("BROKER_OUTBOUND_ALLOW", "10.0.0.1/8")
    assert "beyond the mask" in faults()[0]


def test_settings_cannot_be_changed_and_do_not_print_secrets() -> None:
    settings = load()
    with pytest.raises(ValueError, match="frozen"):
        settings.pool_size = 3
    assert "pass-word" not in repr(settings) + str(settings)


def test_every_setting_is_printed_with_its_description_and_without_its_secret(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert print_settings(as_json=True) == 0
    printed = capsys.readouterr().out
    rows = json.loads(printed)["settings"]
    assert {row["name"] for row in rows} >= {"DATABASE_URL", "BROKER_SECRET_KEY", "BROKER_POOL_SIZE"}
    assert len(rows) == len(Settings.model_fields)
    assert all(row["description"] for row in rows)
    assert "pass-word" not in printed
    assert os.environ["BROKER_SECRET_KEY"] not in printed


def test_printing_settings_of_a_faulty_environment_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BROKER_POOL_SIZE", "many")
    assert print_settings(as_json=False) == 1
    shown = capsys.readouterr()
    assert "BROKER_POOL_SIZE" in shown.out
    assert "BROKER_POOL_SIZE" in shown.err
