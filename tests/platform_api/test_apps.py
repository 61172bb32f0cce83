"""Apps, config vars and releases over HTTP."""

import httpx
import pytest

from broker.kernel.context import Actor


async def test_an_app_is_made_shown_changed_and_destroyed(api: httpx.AsyncClient, alice: Actor) -> None:
    made = await api.post("/apps", json={"name": "demo", "region": "eu", "stack": "cedar"})
    assert made.status_code == 201
    app = made.json()
    assert (app["name"], app["region"]["name"], app["stack"]["name"]) == ("demo", "eu", "cedar")
    assert app["owner"] == {"id": str(alice.id), "email": alice.email}
    assert {"repo_size", "slug_size", "acm", "web_url", "git_url", "build_stack"} <= set(app)
    assert (await api.get(f"/apps/{app['id']}")).json() == (await api.get("/apps/demo")).json() == app
    assert (await api.get("/users/~/apps")).json() == (await api.get("/apps")).json() == [app]
    renamed = (await api.patch("/apps/demo", json={"name": "show", "maintenance": 1})).json()
    assert (renamed["name"], renamed["maintenance"]) == ("show", True)
    assert (await api.patch("/apps/show", json={"maintenance": 0})).json()["maintenance"] is False
    gone = await api.delete("/apps/show")
    assert (gone.status_code, gone.json()["id"]) == (200, app["id"])
    assert (await api.get("/apps/show")).json() == {
        "id": "not_found",
        "message": "Couldn't find that app.",
        "resource": "app",
    }


async def test_a_taken_name_is_refused_in_the_words_that_clients_know(
    api: httpx.AsyncClient, intruder: httpx.AsyncClient
) -> None:
    await api.post("/apps", json={"name": "demo"})
    refused = await intruder.post("/apps", json={"name": "demo"})
    assert refused.status_code == 422
    assert refused.json() == {"id": "invalid_params", "message": "Name is already taken"}


async def test_an_app_may_come_without_a_body(api: httpx.AsyncClient) -> None:
    made = await api.post("/apps", headers={"content-type": "application/json", "content-length": "0"})
    assert made.status_code == 201
    assert made.json()["name"]


async def test_a_region_may_be_named_by_its_id_or_as_an_object(api: httpx.AsyncClient) -> None:
    regions = (await api.get("/regions")).json()
    made = await api.post("/apps", json={"region": {"id": regions[1]["id"]}})
    assert made.json()["region"]["name"] == "eu"
    assert (await api.post("/apps", json={"region": "moon"})).status_code == 422


async def test_config_vars_are_set_merged_and_removed(api: httpx.AsyncClient) -> None:
    await api.post("/apps", json={"name": "demo"})
    set_ = await api.patch("/apps/demo/config-vars", json={"FOO": "ü\n", "BAR": "2"})
    assert (set_.status_code, set_.json()) == (200, {"BAR": "2", "FOO": "ü\n"})
    assert (await api.patch("/apps/demo/config-vars", json={"BAR": None})).json() == {"FOO": "ü\n"}
    assert (await api.get("/apps/demo/config-vars")).json() == {"FOO": "ü\n"}
    newest = (await api.get("/apps/demo/releases", headers={"range": "version ..; order=desc,max=1"})).json()
    assert [release["version"] for release in newest] == [3]
    assert newest[0]["description"] == "Remove BAR config vars"
    assert (await api.get("/apps/demo/releases/2/config-vars")).json() == {"BAR": "2", "FOO": "ü\n"}


@pytest.mark.parametrize("value", [1, True, 1.5, [], {}, ["x"]])
async def test_a_config_var_must_be_a_string(api: httpx.AsyncClient, value: object) -> None:
    await api.post("/apps", json={"name": "demo"})
    refused = await api.patch("/apps/demo/config-vars", json={"FOO": value})
    assert (refused.status_code, refused.json()["message"]) == (422, "FOO: must be a string, or null to remove it.")


async def test_a_rollback_is_a_new_release(api: httpx.AsyncClient) -> None:
    await api.post("/apps", json={"name": "demo"})
    await api.patch("/apps/demo/config-vars", json={"FOO": "1"})
    await api.patch("/apps/demo/config-vars", json={"FOO": "2"})
    releases = (await api.get("/apps/demo/releases", headers={"range": "version ..; max=10, order=desc"})).json()
    assert [(item["version"], item["current"], item["eligible_for_rollback"]) for item in releases] == [
        (3, True, True),
        (2, False, True),
        (1, False, True),
    ]
    back = await api.post("/apps/demo/releases", json={"release": releases[1]["id"]})
    assert (back.status_code, back.json()["version"], back.json()["description"]) == (201, 4, "Rollback to v2")
    assert (await api.get("/apps/demo/config-vars")).json() == {"FOO": "1"}
    assert (await api.post("/apps/demo/releases", json={"release": "v1"})).json()["version"] == 5
    assert (await api.post("/apps/demo/releases", json={"slug": "x"})).json()["message"] == "release: is required."


async def test_releases_are_paged_by_what_next_range_says(api: httpx.AsyncClient) -> None:
    await api.post("/apps", json={"name": "demo"})
    for number in range(4):
        await api.patch("/apps/demo/config-vars", json={"FOO": str(number)})
    first = await api.get("/apps/demo/releases", headers={"range": "version ..; max=2, order=desc"})
    assert (first.status_code, [item["version"] for item in first.json()]) == (206, [5, 4])
    assert first.headers["next-range"] == "version ]4..; max=2, order=desc"
    second = await api.get("/apps/demo/releases", headers={"range": first.headers["next-range"]})
    third = await api.get("/apps/demo/releases", headers={"range": second.headers["next-range"]})
    assert [item["version"] for item in second.json() + third.json()] == [3, 2, 1]
    assert third.status_code == 200
    assert "next-range" not in third.headers
    plain = await api.get("/apps/demo/releases", headers={"range": "id ..; max=1000"})
    assert [item["version"] for item in plain.json()] == [1, 2, 3, 4, 5]
    assert (await api.get("/apps/demo/releases", headers={"range": "version 2..; max=1"})).json()[0]["version"] == 2


async def test_what_the_heroku_cli_reads_of_an_app_besides_is_there(api: httpx.AsyncClient, alice: Actor) -> None:
    await api.post("/apps", json={"name": "demo"})
    (owner,) = (await api.get("/apps/demo/collaborators")).json()
    assert (owner["user"]["email"], owner["role"], "permissions" in owner) == (alice.email, "owner", False)
    for part in ("dynos", "formation", "features", "addons", "addon-attachments"):
        assert (await api.get(f"/apps/demo/{part}")).json() == []
    assert (await api.get("/apps/demo/usage")).json() == {"addons": []}
    assert (await api.get("/apps/demo/pipeline-couplings")).status_code == 404
    assert [stack["name"] for stack in (await api.get("/stacks")).json()] == ["heroku-24"]


async def test_nothing_of_somebody_elses_app_can_be_reached(
    api: httpx.AsyncClient, intruder: httpx.AsyncClient
) -> None:
    app_id = (await api.post("/apps", json={"name": "demo"})).json()["id"]
    for key in ("demo", app_id):
        for path in ("", "/config-vars", "/releases", "/releases/1", "/releases/1/config-vars", "/addons", "/dynos"):
            refused = await intruder.get(f"/apps/{key}{path}")
            assert (refused.status_code, refused.json()["resource"]) == (404, "app")
        assert (await intruder.patch(f"/apps/{key}", json={"name": "mine"})).status_code == 404
        assert (await intruder.patch(f"/apps/{key}/config-vars", json={"A": "1"})).status_code == 404
        assert (await intruder.post(f"/apps/{key}/releases", json={"release": "1"})).status_code == 404
        assert (await intruder.delete(f"/apps/{key}")).status_code == 404
    assert (await intruder.get("/apps")).json() == []
