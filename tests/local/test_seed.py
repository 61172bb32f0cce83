"""Manifests and the seed file, as written for the programs of one home."""

import json
from pathlib import Path

import pytest

from broker.local.home import Home, HomeError
from broker.local.seed import demo_account, render_manifests, write_seed


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    folder = tmp_path / "templates"
    folder.mkdir()
    for slug in ("postgres", "redis", "mail", "sendgrid"):
        (folder / f"{slug}.json").write_text(json.dumps({"id": slug, "api": {"regions": ["us"]}}))
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


def test_manifests_get_secrets_of_their_own_and_the_address_of_their_program(home: Home, templates: Path) -> None:
    rendered = {slug: json.loads(path.read_text()) for slug, path in render_manifests(home, templates).items()}
    assert set(rendered) == {"postgres", "redis", "mail", "sendgrid"}
    assert len({manifest["api"][key] for manifest in rendered.values() for key in ("password", "sso_salt")}) == 8
    address = f"http://127.0.0.1:{home.port('mail')}"
    for slug in ("mail", "sendgrid"):
        assert rendered[slug]["api"]["production"] == {
            "base_url": f"{address}/heroku/resources",
            "sso_url": f"{address}/sso/login",
        }
    assert rendered["redis"]["api"]["regions"] == ["us"]


def test_rendering_again_changes_nothing(home: Home, templates: Path) -> None:
    first = {slug: path.read_text() for slug, path in render_manifests(home, templates).items()}
    again = {slug: path.read_text() for slug, path in render_manifests(Home(home.path), templates).items()}
    assert again == first


def test_a_template_that_is_no_json_object_is_named(home: Home, templates: Path) -> None:
    (templates / "redis.json").write_text("[]")
    with pytest.raises(HomeError, match=r"redis\.json is not a JSON object"):
        render_manifests(home, templates)
    (templates / "redis.json").unlink()
    with pytest.raises(HomeError, match=r"redis\.json cannot be read"):
        render_manifests(home, templates)


def test_the_demo_account_stays_and_is_written_down_privately(home: Home) -> None:
    account = demo_account(home)
    assert demo_account(Home(home.path)) == account
    assert json.loads((home.path / "demo.json").read_text()) == vars(account)
    assert (home.path / "demo.json").stat().st_mode & 0o777 == 0o600
    assert account.password not in repr(account)
    assert account.token not in repr(account)


def test_the_seed_names_the_account_and_every_manifest(home: Home, templates: Path) -> None:
    account, manifests = demo_account(home), render_manifests(home, templates)
    seed = json.loads(write_seed(home, account, manifests).read_text())
    assert (seed["email"], seed["operator"]) == ("demo@broker.localhost", True)
    assert seed["manifests"] == [str(path) for path in manifests.values()]
    assert all(Path(path).stat().st_mode & 0o777 == 0o600 for path in seed["manifests"])
