"""The unmodified heroku3 package from PyPI adds, uses and removes a real add-on. Its requests have tests in tests/wire."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import valkey
from heroku3.api import Heroku

from tests.platform import Platform

pytestmark = pytest.mark.journey


@pytest.fixture
def connection(platform: Platform) -> Iterator[Any]:
    """A connection that has authenticated, with heroku3's own first request."""
    with requests.Session() as session:
        session.trust_env = False
        heroku = Heroku(session=session)
        heroku._heroku_url = platform.url  # it has no other way to be pointed at a server
        assert heroku.authenticate(platform.token)
        yield heroku


def test_an_addon_is_installed_used_upgraded_and_removed(connection: Any, app: str) -> None:
    found = connection.apps()[app]
    addon = found.install_addon("redis:mini", attachment_name="CACHE")
    assert addon.plan.name == "redis:mini"
    config = connection.app(app).config()
    with valkey.from_url(config["CACHE_URL"]) as keys:
        assert keys.set("knock", "knock")
        addon.upgrade("redis:premium-0")
        assert keys.get("knock") == b"knock", "a plan change keeps the data"
    assert [item.plan.name for item in found.addons()] == ["redis:premium-0"]

    config["GREETING"] = "hello"
    config["GREETING"] = "good bye"
    assert [release.version for release in found.releases(order_by="version", sort="desc", limit=2)] == [4, 3]
    found.rollback(found.releases()[2].id)
    assert connection.app(app).config()["GREETING"] == "hello"

    assert found.addons()[0].delete()
    assert connection.app(app).config().to_dict() == {"GREETING": "hello"}
    assert len(found.addons()) == 0


def test_a_refusal_carries_our_sentence(connection: Any, app: str) -> None:
    with pytest.raises(requests.HTTPError, match="The plans of redis are redis:mini"):
        connection.app(app).install_addon("redis:huge")
