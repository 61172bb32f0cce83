"""The unmodified heroku3 package from PyPI against a real server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import requests
from heroku3.api import Heroku

from broker.addons.ports import Answer, Reply
from tests.wire.clients.conftest import Server


@pytest_asyncio.fixture
async def conn(server: Server) -> AsyncIterator[Any]:
    """A connection that has authenticated, with heroku3's own first request."""
    session = requests.Session()
    session.trust_env = False
    heroku = Heroku(session=session)
    heroku._heroku_url = server.url
    assert await asyncio.to_thread(heroku.authenticate, server.token)
    yield heroku
    session.close()


async def test_apps_and_config_vars(conn: Any) -> None:
    def story() -> None:
        app = conn.create_app(name="demo")
        assert (app.name, app.stack.name, app.maintenance) == ("demo", "cedar", False)
        assert conn.create_app(name="demo").id == app.id, "which it finds by the words `Name is already taken`"
        assert [item.name for item in conn.apps()] == ["shop", "demo"]
        assert [item.name for item in conn.apps(order_by="name", sort="asc", limit=1)] == ["demo"]
        config = app.config()
        config["FOO"] = "1"
        config.update({"BAR": "2", "BAZ": ""})
        del config["FOO"]
        assert conn.apps()["demo"].config().to_dict() == {"BAR": "2", "BAZ": ""}
        assert app.enable_maintenance_mode().maintenance
        assert not app.disable_maintenance_mode().maintenance
        app = app.rename("renamed")
        assert [item.user.email for item in app.collaborators()] == ["alice@example.com"]
        assert app.add_collaborator("bob@example.com", silent=1).user.email == "bob@example.com"
        assert [item.user.email for item in app.collaborators()] == ["alice@example.com", "bob@example.com"]
        app.remove_collaborator("bob@example.com")
        assert [item.user.email for item in app.collaborators()] == ["alice@example.com"]
        app.delete()
        assert [item.name for item in conn.apps()] == ["shop"]

    await asyncio.to_thread(story)


async def test_releases_and_rollback(conn: Any) -> None:
    def story() -> None:
        app = conn.app("shop")
        app.config()["FOO"] = "1"
        app.config()["FOO"] = "2"
        assert [release.version for release in app.releases()] == [1, 2, 3]
        assert [release.version for release in app.releases(order_by="version", sort="desc", limit=2)] == [3, 2]
        assert app.rollback(app.releases()[1].id).version == 4
        assert app.config()["FOO"] == "1"

    await asyncio.to_thread(story)


async def test_long_lists_are_put_together_from_parts(conn: Any) -> None:
    def story() -> None:
        names = [conn.create_app().name for _ in range(3)]
        parts = conn._get_data("apps", valrange="id ..; max=2")
        assert [item["name"] for item in parts] == ["shop", *names]

    await asyncio.to_thread(story)


async def test_addons(conn: Any, server: Server) -> None:
    provider = server.world.provider
    app = await asyncio.to_thread(conn.app, "shop")
    addon = await asyncio.to_thread(app.install_addon, "store:free", {"size": "1"}, "DATA")
    assert (addon.plan.name, addon.name.startswith("store-")) == ("store:free", True)
    provider.will(Reply(Answer.DONE, 200))
    await server.world.run()
    assert [item.id for item in await asyncio.to_thread(app.addons)] == [addon.id]
    await asyncio.to_thread(addon.upgrade, "store:big")
    provider.will(Reply(Answer.DONE, 200))
    await server.world.run()
    (shown,) = await asyncio.to_thread(app.addons)
    assert shown.plan.name == "store:big"
    assert await asyncio.to_thread(shown.delete)
    provider.will(Reply(Answer.GONE, 410))
    await server.world.run()
    assert len(await asyncio.to_thread(app.addons)) == 0


async def test_a_refusal_is_an_error_with_our_words(conn: Any) -> None:
    app = await asyncio.to_thread(conn.app, "shop")
    with pytest.raises(requests.HTTPError, match="Couldn't find either the add-on service"):
        await asyncio.to_thread(app.install_addon, "store:none")
    with pytest.raises(requests.HTTPError, match="404"):
        await asyncio.to_thread(conn.app, "nowhere")


async def test_the_rate_limit_is_read(conn: Any) -> None:
    def story() -> None:
        before = conn.ratelimit_remaining()
        conn.apps()
        assert conn.ratelimit_remaining() == before - 1

    await asyncio.to_thread(story)
