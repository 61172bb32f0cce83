"""Programs with the habits of real providers, end to end: a marketplace process, theirs, and HTTP between them."""

import httpx
import pytest

from tests.providers.styles.conftest import Market, eventually

pytestmark = pytest.mark.journey


def test_everything_is_done_inside_the_provision_call(market: Market) -> None:
    stranger, app = market.stranger("inside"), market.new_app("app-inside")
    before = len(market.releases(app))
    addon = market.add(app, "inside:test")
    assert market.config(app) == {"INSIDE_URL": f"inside://{addon['id']}"}
    assert len(market.releases(app)) == before + 1, "one release, when it was ready"
    assert stranger.notes("finished") == [{"what": "finished", "state": "provisioned", "plan": "inside:test"}]
    eventually(lambda: market.ask("GET", f"/addons/{addon['id']}")["provision_message"])
    market.ask("DELETE", f"/apps/{app}/addons/{addon['id']}")
    market.becomes(app, addon["id"], "deprovisioned")
    assert market.config(app) == {}
    assert stranger.notes("refused") == []


def test_the_grant_is_exchanged_by_a_query_with_an_empty_body(market: Market) -> None:
    stranger, app = market.stranger("query"), market.new_app("app-query")
    addon = market.add(app, "query:test")
    assert market.config(app) == {"QUERY_URL": f"query://{addon['name']}"}
    assert stranger.notes("info") == [
        {"what": "info", "state": "provisioning", "name": addon["name"], "app": "app-query"}
    ]
    gone = market.ask("DELETE", f"/apps/{app}/addons/{addon['id']}")
    assert gone["state"] == "deprovisioned", "410 is as good as gone"


def test_html_that_is_json_numbers_as_ids_and_blank_bodies(market: Market) -> None:
    market.stranger("html")
    app = market.new_app("app-html")
    addon = market.add(app, "html:test")
    assert (addon["provider_id"], market.config(app)) == ("1", {"HTML_URL": "html://test"})
    moved = market.ask("PATCH", f"/apps/{app}/addons/{addon['id']}", json={"plan": "html:big"})
    assert moved["plan"]["name"] == "html:big"
    assert market.config(app) == {"HTML_URL": "html://test"}
    assert market.ask("DELETE", f"/apps/{app}/addons/{addon['id']}")["state"] == "deprovisioned"


def test_the_first_refresh_token_goes_on_and_what_is_slow_is_told_later(market: Market) -> None:
    stranger, app = market.stranger("keeper"), market.new_app("app-keeper")
    addon = market.add(app, "keeper:test")
    moved = market.ask("PATCH", f"/apps/{app}/addons/{addon['id']}", json={"plan": "keeper:big"})
    assert moved["plan"]["name"] == "keeper:big", "accepted is as good as done for a plan"
    eventually(lambda: stranger.notes("moved"))
    assert market.config(app) == {"KEEPER_URL": "keeper://big/2"}
    assert market.releases(app)[-1].startswith("Update KEEPER")
    market.ask("DELETE", f"/apps/{app}/addons/{addon['id']}")
    market.becomes(app, addon["id"], "deprovisioned")
    assert stranger.notes("refused") == []


def test_version_1_knows_apps_by_heroku_id_and_sets_config_with_its_password(market: Market) -> None:
    stranger, app = market.stranger("legacy"), market.new_app("app-legacy")
    addon = market.add(app, "legacy:test")
    assert (addon["provider_id"], market.config(app)) == ("7000", {"LEGACY_URL": "legacy://7000"})
    market.ask("PATCH", f"/apps/{app}/addons/{addon['id']}", json={"plan": "legacy:big"})
    eventually(lambda: market.config(app) == {"LEGACY_URL": "legacy://big"})
    assert stranger.notes("same app") == [{"what": "same app", "known": True}]
    (info,) = stranger.notes("app info")
    assert (info["name"], info["owner"]) == (app, "operator@example.com")
    assert market.ask("DELETE", f"/apps/{app}/addons/{addon['id']}")["state"] == "deprovisioned"
    assert [note["id"] for note in stranger.notes("DELETE")] == ["7000"]
    assert stranger.notes("refused") == []


def test_a_manifest_with_one_url_has_everything_below_it_and_signs_on_by_get(market: Market) -> None:
    stranger, app = market.stranger("root"), market.new_app("app-root")
    addon = market.add(app, "root:test")
    assert market.config(app) == {"ROOT_URL": "root://1"}
    with httpx.Client(follow_redirects=False) as browser:
        answer = browser.get(addon["web_url"])
        while answer.is_redirect and answer.headers["location"].startswith(("/", market.url)):
            answer = browser.get(httpx.URL(market.url).join(answer.headers["location"]))
        assert answer.headers["location"].startswith(f"{stranger.url}/heroku/resources/res-1?")
        page = browser.get(answer.headers["location"])
    assert (page.status_code, page.text) == (200, "<h1>Welcome operator@example.com to app-root</h1>")
    assert "heroku-nav-data" in page.cookies
    assert market.ask("DELETE", f"/apps/{app}/addons/{addon['id']}")["state"] == "deprovisioned"


def test_a_provider_that_does_things_twice_is_asked_again_only_when_its_answer_was_lost(market: Market) -> None:
    stranger, app = market.stranger("careless"), market.new_app("app-careless")
    first = market.add(app, "careless:test")
    assert market.config(app) == {"CARELESS_URL": "careless://2"}
    second = market.add(app, "careless:test")
    assert second["provider_id"] == "row-3"
    assert [note["body"]["uuid"] for note in stranger.notes("POST")] == [first["id"], first["id"], second["id"]]
    gone = market.ask("DELETE", f"/apps/{app}/addons/{second['id']}")
    assert gone["state"] == "deprovisioning", "the user is rid of it; what the provider has is tried further"
    assert market.config(app) == {"CARELESS_URL": "careless://2"}
    newest = market.ask("GET", f"/addons/{second['id']}/operations")[0]
    assert (newest["kind"], newest["attempts"] >= 2) == ("deprovision", True)
    assert [entry.get("status") for entry in newest["history"] if entry["step"] == "settle"][:2] == [None, 500]
