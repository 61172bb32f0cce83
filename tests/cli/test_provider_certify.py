"""provider:certify and provider:verify as they are typed."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Broker
from tests.testkit.mutants.provision import SaysThatItIsHtml
from tests.testkit.shelf import PASSWORD, SALT, Shelf
from tests.testkit.threads import manifest_file, running


@pytest.fixture
def certified(broker: Broker, tmp_path: Path) -> dict[str, str]:
    """Paths of a statement, its manifest and the key that signed it, and that key's public half."""
    statement, key = tmp_path / "statement.json", tmp_path / "key.pem"
    with running(Shelf()) as origin:
        manifest = manifest_file(tmp_path, origin)
        result = broker("provider:certify", str(manifest), "--key", str(key), "--output", str(statement), "--strict")
    assert result.status == 0, result.err
    found = re.search(r"Signed with the key (\S+)", result.out)
    assert found
    return {"statement": str(statement), "manifest": str(manifest), "key": str(key), "public": found[1]}


def test_a_statement_holds_for_its_key_and_its_manifest(broker: Broker, certified: dict[str, str]) -> None:
    arguments = ("--key", certified["public"], "--manifest", certified["manifest"])
    result = broker("provider:verify", certified["statement"], *arguments)
    assert (result.status, result.err) == (0, "")
    assert re.match(r"shelf passed \d+ checks, 0 warned\.", result.out)
    assert stat.S_IMODE(Path(certified["key"]).stat().st_mode) == 0o600
    text = Path(certified["statement"]).read_text(encoding="utf-8")
    assert PASSWORD not in text
    assert SALT not in text


def better(signed: dict[str, Any]) -> None:
    signed["statement"]["summary"]["warned"] = -1


def of_another(signed: dict[str, Any]) -> None:
    signed["statement"]["service"] = "redis"


def without_signature(signed: dict[str, Any]) -> None:
    del signed["signature"]


def damaged(signed: dict[str, Any]) -> None:
    signed["signature"] = "äöü"


@pytest.mark.parametrize("change", [better, of_another, without_signature, damaged])
def test_a_changed_statement_does_not_hold(
    broker: Broker, certified: dict[str, str], change: Callable[[dict[str, Any]], None]
) -> None:
    path = Path(certified["statement"])
    signed = json.loads(path.read_text(encoding="utf-8"))
    change(signed)
    path.write_text(json.dumps(signed), encoding="utf-8")
    result = broker("provider:verify", str(path), "--key", certified["public"])
    assert result.status == 1
    assert "does not hold" in result.err


def test_the_key_beside_the_signature_is_not_believed(
    broker: Broker, certified: dict[str, str], tmp_path: Path
) -> None:
    other = "A" * 43 + "="
    assert broker("provider:verify", certified["statement"], "--key", other).status == 1
    assert broker("provider:verify", certified["statement"], "--key", "no key").status == 1
    path = Path(certified["manifest"])
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["api"]["password"] = "another-password-0123456789"
    same_but_secrets = ("--key", certified["public"], "--manifest", certified["manifest"])
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert broker("provider:verify", certified["statement"], *same_but_secrets).status == 0
    manifest["plans"][0]["price_cents"] = 900
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert "another manifest" in broker("provider:verify", certified["statement"], *same_but_secrets).err


def test_nothing_is_signed_when_a_check_failed(broker: Broker, tmp_path: Path) -> None:
    statement = tmp_path / "statement.json"
    with running(SaysThatItIsHtml()) as origin:
        manifest = str(manifest_file(tmp_path, origin))
        files = ("--key", str(tmp_path / "key.pem"), "--output", str(statement))
        result = broker("provider:certify", manifest, *files, "--strict")
    assert result.status == 1
    assert "Nothing was signed." in result.err
    assert not statement.exists()


def test_a_file_that_is_no_key_is_told(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("hello")
    manifest = str(manifest_file(tmp_path, "http://127.0.0.1:1"))
    files = ("--key", str(tmp_path / "key.pem"), "--output", str(tmp_path / "out.json"))
    result = broker("provider:certify", manifest, *files)
    assert (result.status, "is no PEM file" in result.err) == (2, True)


def test_a_statement_that_could_not_be_kept_is_not_worked_for(broker: Broker, tmp_path: Path) -> None:
    key, output = tmp_path / "key.pem", tmp_path / "no" / "s.json"
    result = broker("provider:certify", str(tmp_path / "none.json"), "--key", str(key), "--output", str(output))
    assert (result.status, "no such folder" in result.err, key.exists()) == (2, True, False)
