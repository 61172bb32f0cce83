"""The unmodified Heroku CLI logs in with a code of the second factor, and with a browser; and is asked for one before it destroys."""

from __future__ import annotations

import re
import secrets
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.journeys.heroku_cli import Heroku, surroundings
from tests.journeys.people import Person, send, signed_up
from tests.journeys.terminal import Answers
from tests.platform import Platform

pytestmark = [pytest.mark.journey, pytest.mark.heroku, pytest.mark.timeout(400)]

_PAGE_WITHIN_S = 60


@pytest.fixture(scope="module")
def heroku(heroku_program: Path, platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Heroku:
    """Without anybody's token."""
    return surroundings(heroku_program, tmp_path_factory.mktemp("heroku"), platform).without("HEROKU_API_KEY")


def with_code(person: Person, code: str) -> Answers:
    return [("Email", person.email), ("Password", person.password), ("Two-factor code", code)]


def test_the_cli_asks_for_the_code_and_shows_it(heroku: Heroku, platform: Platform) -> None:
    with signed_up(platform) as (person, browser):
        status, shown = heroku.at_terminal("login", "-i", answers=with_code(person, "000000"))
        assert (status != 0, "code is wrong" in " ".join(shown.split())) == (True, True), shown
        status, shown = heroku.at_terminal("login", "-i", answers=with_code(person, person.code(1)))
        assert status == 0, shown
        assert heroku.ok("whoami").out == f"{person.email}\n"
        send(browser, "/account/two-factor", "/account/two-factor/policy", asks_for_codes="yes")
        app = f"two-factor-{secrets.token_hex(4)}"
        heroku.ok("apps:create", app)
        assert "requires an interactive terminal" in heroku.run("apps:destroy", app, "--confirm", app).said
        answers = [("Two-factor code", person.recovery_codes[0])]
        status, shown = heroku.at_terminal("apps:destroy", app, "--confirm", app, answers=answers)
        assert status == 0, shown
        assert app not in heroku.ok("apps").out
        heroku.ok("logout")


def test_the_cli_logs_in_with_a_browser(heroku: Heroku, platform: Platform, tmp_path: Path) -> None:
    asked = tmp_path / "url"
    opener = heroku.script("browser", f'printf %s "$1" > {asked}.part && mv {asked}.part {asked}')

    def decide(browser: httpx.Client) -> None:
        deadline = time.monotonic() + _PAGE_WITHIN_S
        while not asked.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        path = asked.read_text().removeprefix(platform.url)
        send(browser, path, decision="allow")

    with signed_up(platform) as (person, browser):
        deciding = threading.Thread(target=decide, args=(browser,))
        deciding.start()
        answers = [("any key", "")]
        status, shown = heroku.at_terminal("login", answers=answers, BROWSER=opener)
        deciding.join(_PAGE_WITHIN_S)
        assert status == 0, shown
        assert heroku.ok("whoami").out == f"{person.email}\n"
        assert re.search(r"Heroku CLI login from \S+ +\S+ +global", heroku.ok("authorizations").out)
        heroku.ok("logout")
