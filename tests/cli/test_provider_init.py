"""`provider:init` writes a provider that works as it is, and touches nothing that is there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from broker.catalog.manifest import default_prefix, parse
from tests.cli.conftest import Broker
from tests.docs.pages import ROOT


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which the commands run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def manifest_of(provider: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((provider / "addon-manifest.json").read_text())
    return found


def test_what_is_written_passes_its_own_tests_at_once(broker: Broker, folder: Path) -> None:
    assert broker("provider:init", "acme-lines").status == 0
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "unittest", "discover", "tests"],
        cwd=folder / "acme-lines", env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"Ran \d+ tests", done.stderr)


def test_what_is_written_is_as_tidy_as_the_rest(broker: Broker, folder: Path) -> None:
    broker("provider:init", "acme-lines")
    rules = ["--select", "E,F,W,I,B,UP,RUF,SIM,RET,C4", "--line-length", "120", "--no-cache", "--isolated"]
    ruff, made = [sys.executable, "-m", "ruff"], folder / "acme-lines"
    checked = subprocess.run([*ruff, "check", *rules], cwd=made, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    form = [*ruff, "format", "--check", "--isolated", "--no-cache", "--line-length", "120"]
    assert subprocess.run(form, cwd=made, capture_output=True, check=False).returncode == 0


def test_whoever_has_another_python_in_the_path_is_told_before_make_fails(
    broker: Broker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Path(sys.executable).parent
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert f"export PATH={ours}:$PATH" in broker("provider:init", "acme-lines").err
    monkeypatch.setenv("PATH", f"{ours}:/usr/bin:/bin")
    assert "PATH" not in broker("provider:init", "acme-more").err


@pytest.mark.parametrize("name", ["acme-lines", "a", "x9-y", "a" * 63])
def test_the_manifest_is_one_that_the_broker_takes_in_development(broker: Broker, folder: Path, name: str) -> None:
    assert broker("provider:init", name, "--dir", "here").status == 0
    manifest = parse(manifest_of(folder / "here"), allow_insecure=True)
    assert (manifest.id, manifest.prefix) == (name, default_prefix(name))
    assert [(plan.slug, plan.price_cents) for plan in manifest.plans] == [("test", 0), ("hobby", 0), ("standard", 500)]


@pytest.mark.parametrize(
    "name",
    ["Acme", "acme_lines", "-acme", "acme-", "4acme", "", "../acme", "acme lines", "a" * 64, "é", "acme\n",
     "abcdef01-2345-6789-abcd-ef0123456789"],
)  # fmt: skip
def test_a_name_that_is_no_slug_is_refused_before_anything_is_written(broker: Broker, folder: Path, name: str) -> None:
    result = broker("provider:init", "--", name)
    assert result.status == 2
    assert "is no slug" in result.err
    assert list(folder.iterdir()) == []


def test_secrets_are_fresh_closed_to_others_and_kept_out_of_git(broker: Broker, folder: Path) -> None:
    results = [broker("provider:init", "acme-lines", "--dir", place) for place in ("one", "two")]
    apis = [manifest_of(folder / place)["api"] for place in ("one", "two")]
    values = {str(api[key]) for api in apis if isinstance(api, dict) for key in ("password", "sso_salt")}
    assert len(values) == 4
    assert all(re.fullmatch("[0-9a-f]{32}", value) for value in values)
    assert (folder / "one" / "addon-manifest.json").stat().st_mode & 0o777 == 0o600
    assert not [value for value in values for result in results if value in result.out + result.err]
    subprocess.run(["git", "init", "--quiet", folder / "one"], check=True)
    ignored = ["git", "-C", folder / "one", "check-ignore", "addon-manifest.json", "home/key"]
    assert subprocess.run(ignored, capture_output=True, check=False).stdout.split() == [
        b"addon-manifest.json",
        b"home/key",
    ]


def test_nothing_is_overwritten(broker: Broker, folder: Path) -> None:
    (folder / "acme-lines").mkdir()
    (folder / "acme-lines" / "mine").write_text("dear to me")
    result = broker("provider:init", "acme-lines")
    assert (result.status, "is not empty" in result.err) == (1, True)
    assert [path.name for path in (folder / "acme-lines").iterdir()] == ["mine"]
    (folder / "file").write_text("")
    assert broker("provider:init", "acme-lines", "--dir", "file").status == 1
    assert broker("provider:init", "acme-lines", "--dir", "file/below").status == 1


def test_an_empty_directory_and_a_port_of_ones_own_are_fine(broker: Broker, folder: Path) -> None:
    (folder / "here").mkdir()
    result = broker("provider:init", "acme-lines", "--dir", "here", "--port", "4567", "--json")
    told = json.loads(result.out)
    assert (told["slug"], told["port"], told["directory"]) == ("acme-lines", 4567, str(folder / "here"))
    assert sorted(told["files"]) == sorted(
        str(path.relative_to(folder / "here")) for path in (folder / "here").rglob("*") if path.is_file()
    )
    assert "http://127.0.0.1:4567/sso/login" in (folder / "here" / "addon-manifest.json").read_text()


def test_no_word_of_the_templates_is_left_over(broker: Broker, folder: Path) -> None:
    broker("provider:init", "acme-lines")
    texts = {path: path.read_text() for path in (folder / "acme-lines").rglob("*") if path.is_file()}
    assert [path for path, text in texts.items() if re.search(r"@[A-Z]+@", text)] == []
