"""The unmodified Heroku CLI goes through the story. What a test does not look at is prepared over HTTP, which is faster."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.journeys.conftest import Api, NewApp
from tests.journeys.heroku_cli import Heroku, surroundings
from tests.platform import Platform

pytestmark = [pytest.mark.journey, pytest.mark.heroku, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def heroku(heroku_program: Path, platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Heroku:
    return surroundings(heroku_program, tmp_path_factory.mktemp("heroku"), platform)


def test_services_and_plans_are_listed_with_their_prices(heroku: Heroku) -> None:
    services = heroku.ok("addons:services").out
    for row in (r"postgres +Postgres +ga", r"redis +Redis +ga", r"mail +Mail +ga", r"sendgrid +SendGrid \(mail\) +ga"):
        assert re.search(row, services)
    plans = heroku.ok("addons:plans", "postgres").out
    assert re.search(r"default +postgres:mini +Mini +free +free", plans)
    assert re.search(r"postgres:standard-0 +Standard 0 +~\$0\.069/hour +\$50/month", plans)


def test_three_addons_arrive_as_config_vars(heroku: Heroku, app: str) -> None:
    made = heroku.ok("addons:create", "postgres", "-a", app)
    assert f"Creating postgres on {app}... free" in made.err
    assert re.search(r"^Created postgres-\w+-\d+ as DATABASE_URL$", made.out, re.M)
    assert made.out.startswith("The database is ready: up to 64 MB and 10 connections.\n")
    words = ["redis:mini", "--as", "CACHE", "--name", f"{app}-cache", "--wait"]
    assert f"Created {app}-cache as CACHE_URL\n" in heroku.ok("addons:create", *words, "-a", app).out
    made = heroku.ok("addons:create", "sendgrid", "-a", app)
    assert "as SENDGRID_USERNAME, SENDGRID_PASSWORD, SENDGRID_HOST, SENDGRID_PORT\n" in made.out
    assert "Run heroku addons:docs sendgrid to view documentation." in made.out

    listed = heroku.ok("addons", "-a", app).out
    for attachment in ("DATABASE", "CACHE", "SENDGRID"):
        assert f"└─ as {attachment}\n" in listed
    assert re.search(rf"redis \({app}-cache\) +mini +free +free +created", listed)


def test_config_vars_can_be_read_by_a_person_and_by_a_shell(heroku: Heroku, api: Api, app: str) -> None:
    api.add(app, "sendgrid")
    awkward = 'it\'s $5 "only" \\ `now`'
    api.call("PATCH", f"/apps/{app}/config-vars", AWKWARD=awkward)
    shown = heroku.ok("config", "-a", app).out
    assert shown.startswith(f"=== {app} Config Vars\n")
    assert f"SENDGRID_USERNAME: {api.config(app)['SENDGRID_USERNAME']}\n" in shown

    dotenv = heroku.home / "dotenv"
    dotenv.write_text(heroku.ok("config", "-s", "-a", app).out)
    script = 'set -a; . ./dotenv; printf "%s|%s" "$AWKWARD" "$SENDGRID_PASSWORD"'
    read = subprocess.run(["sh", "-c", script], cwd=heroku.home, env={}, capture_output=True, text=True, check=True)
    assert read.stdout == f"{awkward}|{api.config(app)['SENDGRID_PASSWORD']}"


def test_own_config_vars_are_set_edited_and_removed_and_an_addons_are_not(heroku: Heroku, api: Api, app: str) -> None:
    api.add(app, "sendgrid")
    before = api.config(app)
    done = heroku.ok("config:set", "GREETING=hello there", "GONE=1", "-a", app)
    assert f"Setting GREETING, GONE and restarting {app}... done, v3" in done.err
    assert re.search(r"^GREETING: +hello there$", done.out, re.M)
    assert "done, v4" in heroku.ok("config:unset", "GONE", "-a", app).err

    editor = heroku.script("editor", 'sed "s/hello there/good bye/" "$1" > "$1.new" && mv "$1.new" "$1"')
    words, yes = ["config:edit", "-a", app], [("Update config", "y")]
    status, shown = heroku.at_terminal(*words, answers=yes, EDITOR=editor, VISUAL=editor)
    assert status == 0, shown
    assert api.config(app) == {**before, "GREETING": "good bye"}

    refused = heroku.run("config:set", "SENDGRID_PASSWORD=mine", "-a", app)
    assert refused.status == 2
    assert "Cannot overwrite attachment values SENDGRID_PASSWORD." in refused.said
    api.delete(f"/apps/{app}/addons/{api.get(f'/apps/{app}/addons')[0]['name']}")
    assert api.config(app) == {"GREETING": "good bye"}, "what was edited along must not outlive the add-on"


def test_a_plan_is_changed_and_an_unknown_one_answered_with_the_plans(heroku: Heroku, api: Api, app: str) -> None:
    name = api.add(app, "postgres")
    done = heroku.ok("addons:upgrade", "DATABASE", "postgres:basic", "-a", app)
    said = f"Changing {name} on {app} from postgres:mini to postgres:basic... done, ~$0.013/hour (max $9/month)"
    assert said in done.err
    assert "Now up to 1 GB and 20 connections." in done.out

    refused = heroku.run("addons:upgrade", name, "postgres:huge", "-a", app)
    assert refused.status == 1
    assert "Here are the available plans for postgres: postgres:mini postgres:basic" in refused.said

    info = heroku.ok("addons:info", name).out
    for row in (rf"=== {name}", r"Plan: +postgres:basic", r"Price: +~\$0\.013/hour", rf"Attachments: +{app}::DATABASE"):
        assert re.search(row, info)
    assert re.search(rf"Owning app: +{app}\n.*\nState: +created", info)


def test_an_addon_is_attached_to_a_second_app_and_detached_again(heroku: Heroku, api: Api, new_app: NewApp) -> None:
    owner, guest = new_app(), new_app()
    name = api.add(owner, "redis")
    done = heroku.ok("addons:attach", name, "--as", "SHARED", "-a", guest)
    assert f"Attaching {name} as SHARED to {guest}... done" in done.err
    assert f"Setting SHARED config vars and restarting {guest}... done, v2" in done.err
    assert api.config(guest)["SHARED_URL"] == api.config(owner)["REDIS_URL"]

    listed = heroku.ok("addons", "-a", guest).out
    assert re.search(rf"redis \({name}\) +mini +\(billed to {owner} app\)", listed)
    assert f"├─ as SHARED\n  └─ as REDIS on {owner} app" in listed

    shared = heroku.run("addons:destroy", name, "-a", owner, "--confirm", owner)
    assert shared.status != 0
    assert guest in shared.said
    assert "done, v3" in heroku.ok("addons:detach", "SHARED", "-a", guest).err
    assert api.config(guest) == {}


def test_the_dashboard_is_opened_signed_in(heroku: Heroku, api: Api, app: str) -> None:
    name = api.add(app, "sendgrid")
    assert f"{name} successfully renamed to {app}-mail." in heroku.ok("addons:rename", name, f"{app}-mail").out
    shown = heroku.ok("addons:open", f"{app}-mail", "-a", app, "--show-url").out
    assert re.search(r"^http://127\.0\.0\.1:\d+/sso/addons/", shown)

    note = heroku.home / "opened"
    browser = heroku.script("browser", f'printf %s "$1" > "{note}.part" && mv "{note}.part" "{note}"')
    heroku.ok("addons:open", "SENDGRID", "-a", app, BROWSER=browser)
    page = httpx.get(_written(note), trust_env=False)
    assert page.status_code == 200
    assert f"Opening {app}-mail" in page.text


def test_the_dashboard_is_opened_by_the_form_itself_with_sudo(heroku: Heroku, api: Api, app: str) -> None:
    name = api.add(app, "sendgrid")
    note = heroku.home / "opened-by-sudo"
    browser = heroku.script("sudo-browser", f'printf %s "$1" > "{note}.part" && mv "{note}.part" "{note}"')
    heroku.ok("addons:open", name, "-a", app, HEROKU_SUDO="1", BROWSER=browser, TMPDIR=str(heroku.home))
    page = Path(_written(note).removeprefix("file://")).read_text()
    action, params = re.search(r'action="([^"]+)"', page), re.search(r"var params = (.*)", page)
    assert action
    assert params
    with httpx.Client(trust_env=False) as provider:
        answer = provider.post(action[1], data=json.loads(params[1]), follow_redirects=True)
    assert answer.status_code == 200
    assert name in answer.text


def _written(path: Path) -> str:
    """What a program that was left running writes in the end."""
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline, "the browser was not started"
        time.sleep(0.05)
    return path.read_text()


def test_releases_tell_what_happened_and_lead_back(heroku: Heroku, api: Api, app: str) -> None:
    name = api.add(app, "redis")
    api.call("PATCH", f"/apps/{app}/config-vars", WISH="granted")
    listed = heroku.ok("releases", "-a", app).out
    assert f"=== {app} Releases - Current: v3" in listed
    for row in (r"v3 +Set WISH config vars? +demo@", rf"v2 +Attach REDIS \({name}\) +demo@", r"v1 +Initial release"):
        assert re.search(row, listed)
    info = heroku.ok("releases:info", "v3", "-a", app).out
    for row in (r"Add-ons: +redis:mini", r"Change: +Set WISH", r"By: +demo@", r"WISH: +granted"):
        assert re.search(row, info)
    undone = heroku.ok("rollback", "v2", "-a", app)
    assert f"Rolling back {app} to v2... done, v4" in undone.err
    assert "To undo, run: heroku rollback v3" in undone.said
    assert set(api.config(app)) == {"REDIS_URL"}


def test_apps_are_made_listed_renamed_and_destroyed(heroku: Heroku, api: Api, app: str) -> None:
    name = f"{app}-b"
    assert f"Creating {name}... done" in heroku.ok("apps:create", name).err
    apps = heroku.ok("apps").out
    assert apps.startswith("=== demo@broker.localhost Apps\n")
    assert name in apps
    assert f"Renaming {name} to {app}-c... done" in heroku.ok("apps:rename", f"{app}-c", "-a", name).err
    info = heroku.ok("apps:info", "-a", f"{app}-c").out
    assert info.startswith(f"=== {app}-c\n")
    assert re.search(r"Owner: +demo@broker\.localhost", info)
    heroku.ok("apps:destroy", "-a", f"{app}-c", "--confirm", f"{app}-c")
    assert api.call("GET", f"/apps/{app}-c").status_code == 404


def test_an_attachment_is_overwritten_only_after_confirmation(heroku: Heroku, api: Api, app: str) -> None:
    api.add(app, "redis")
    before = api.config(app)
    words = ["addons:create", "redis", "--as", "REDIS", "-a", app]
    status, shown = heroku.at_terminal(*words, answers=[("To proceed, type", app)])
    assert status == 0, shown
    assert f"This would overwrite the attachment REDIS on {app}." in " ".join(shown.split())
    typed = api.config(app)
    assert typed["REDIS_URL"] != before["REDIS_URL"]
    assert "as REDIS_URL" in heroku.ok(*words, "--confirm", app).out
    assert api.config(app)["REDIS_URL"] != typed["REDIS_URL"]


def test_an_addon_is_destroyed_when_the_app_is_confirmed(heroku: Heroku, api: Api, app: str) -> None:
    name = api.add(app, "redis")
    wrong = heroku.run("addons:destroy", name, "-a", app, "--confirm", "other")
    assert (wrong.status, f"Confirmation other did not match {app}." in wrong.said) == (1, True)
    assert f"Destroying {name} on {app}... done" in heroku.ok("addons:destroy", name, "--confirm", app, "--wait").err
    heroku.ok("addons:wait", "-a", app)
    assert api.config(app) == {}


def test_errors_say_what_is_wrong(heroku: Heroku, app: str, stranger: Api, strangers_app: str) -> None:
    unknown = heroku.run("addons:create", "nonesuch", "-a", app)
    assert unknown.status == 2
    assert 'Couldn\'t find the add-on service "nonesuch".' in unknown.said
    assert "Error ID: not_found" in unknown.said
    plan = heroku.run("addons:create", "redis:huge", "-a", app)
    assert 'Couldn\'t find either the add-on service or the add-on plan of "redis:huge".' in plan.said
    assert "redis:mini (free), redis:premium-0 ($15/month)" in plan.said

    theirs = stranger.add(strangers_app, "redis")
    assert "Couldn't find that add-on." in heroku.run("addons:destroy", theirs, "--confirm", strangers_app).said
    assert "Couldn't find that app." in heroku.run("config", "-a", strangers_app).said
    assert stranger.get(f"/addons/{theirs}")["state"] == "provisioned"


def test_an_app_is_shared_and_left(heroku: Heroku, stranger: Api, app: str) -> None:
    assert "done" in heroku.ok("access:add", "mallory@example.com", "-a", app).err
    shown = heroku.ok("access", "-a", app).out
    assert re.search(r"@broker.localhost +owner\s+mallory@example.com +collaborator", shown)
    assert stranger.get(f"/apps/{app}")["name"] == app
    assert "done" in heroku.ok("access:remove", "mallory@example.com", "-a", app).err
    assert stranger.call("GET", f"/apps/{app}").status_code == 404
    assert "Nobody has an account" in heroku.run("access:add", "nobody@example.com", "-a", app).said


def test_a_login_lasts_until_the_logout(heroku: Heroku, platform: Platform) -> None:
    person = heroku.without("HEROKU_API_KEY")
    answers = [("Email", platform.email), ("Password", platform.password)]
    status, shown = person.at_terminal("login", "-i", answers=answers)
    assert status == 0, shown
    assert f"Logged in as {platform.email}" in shown
    assert platform.password not in shown
    assert person.ok("whoami").out == f"{platform.email}\n"

    made = person.ok("authorizations:create", "-d", "a journey", "-s", "read", "-e", "3600", "--json").json
    assert (made["scope"], made["access_token"]["token"][:5]) == (["read"], "HRKU-")
    assert re.search(rf"a journey +{made['id']} +read", person.ok("authorizations").out)
    assert "done, revoked authorization from a journey" in person.ok("authorizations:revoke", made["id"]).err

    token = person.ok("auth:token").out.strip()
    person.ok("logout")
    answer = httpx.get(f"{platform.url}/account", headers={"authorization": f"Bearer {token}"}, trust_env=False)
    assert answer.status_code == 401, "the token must be void after the logout"


def test_a_wrong_token_is_named_as_such(heroku: Heroku) -> None:
    refused = heroku.run("apps", HEROKU_API_KEY="HRKU-wrong")
    assert refused.status == 1
    assert "The token provided to HEROKU_API_KEY is invalid" in refused.said


def test_psql_is_opened_on_a_database_with_the_url_scheme_of_the_heroku_cli(heroku: Heroku, app: str) -> None:
    heroku.ok("addons:create", "postgres", "-a", app, "--", "--url-scheme=postgres")
    assert "42" in heroku.ok("pg:psql", "-a", app, "-c", "select 40 + 2").out


def test_a_database_is_promoted_a_redis_told_and_what_is_not_here_said_so(heroku: Heroku, api: Api, app: str) -> None:
    api.add(app, "postgres")
    second, cache = api.add(app, "postgres"), api.add(app, "redis")
    wanted = api.config(app)[api.get(f"/addons/{second}")["config_vars"][0]]
    assert f"Promoting {second} to DATABASE_URL on {app}... done" in heroku.ok("pg:promote", second, "-a", app).err
    assert api.config(app)["DATABASE_URL"] == wanted
    assert re.search(rf"Status: +Available\n(.*\n)*Add-on: +{second}\n", heroku.ok("pg:info", second, "-a", app).out)
    assert heroku.ok("redis:credentials", cache, "-a", app).out.strip() == api.config(app)["REDIS_URL"]
    refused = heroku.run("ps:scale", "web=1", "-a", app)
    assert (refused.status, "there are no dynos" in refused.said) == (2, True)
