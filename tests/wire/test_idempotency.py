"""`Idempotency-Key` over HTTP: a repetition makes nothing twice, and a key that is misused is refused."""

from typing import Any

import pytest
from sqlalchemy import func, select, update

from broker.accounts.idempotency import ABANDONED, KEPT
from broker.accounts.models import IdempotencyKey
from tests.addons.conftest import done
from tests.wire.conftest import Shop, refused

POSTS = [
    ("/apps", {"name": "brand-new"}),
    ("/apps/shop/addons", {"plan": "store", "name": "brand-new"}),
    ("/addon-attachments", {"addon": "my-store", "app": "other", "name": "FRESH"}),
]


def key(text: str) -> dict[str, str]:
    return {"idempotency-key": text}


@pytest.mark.parametrize(("path", "body"), POSTS)
async def test_a_repetition_is_answered_with_what_the_first_request_made(
    shop: Shop, path: str, body: dict[str, Any]
) -> None:
    first = await shop.api.post(path, json=body, headers=key("k1"))
    before = await shop.rows()
    again = await shop.api.post(path, json=body, headers=key("k1"))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["id"] == first.json()["id"]
    assert await shop.rows() == before
    refused(await shop.api.post(path, json=body, headers=key("k2")))
    refused(await shop.api.post(path, json=body))


async def test_a_repetition_shows_the_present_and_not_the_past(shop: Shop) -> None:
    body = {"plan": "store", "name": "slow"}
    assert (await shop.api.post("/apps/shop/addons", json=body, headers=key("k"))).json()["state"] == "provisioning"
    shop.world.provider.will(done("store://slow"))
    await shop.world.run()
    assert (await shop.api.post("/apps/shop/addons", json=body, headers=key("k"))).json()["state"] == "provisioned"
    assert len(shop.world.provider.calls) == 2


async def test_a_key_for_another_request_is_refused(shop: Shop) -> None:
    await shop.api.post("/apps", json={"name": "first"}, headers=key("k"))
    before = await shop.rows()
    others = [
        ("/apps", {"name": "second"}),
        ("/apps", {}),
        ("/apps/shop/addons", {"plan": "store"}),
        ("/apps/other/addons", {"plan": "store"}),
    ]
    for path, body in others:
        answer = refused(await shop.api.post(path, json=body, headers=key("k")), 422, "invalid_params")
        assert "fresh key" in answer["message"]
    assert await shop.rows() == before


async def test_keys_of_two_people_have_nothing_to_do_with_one_another(shop: Shop) -> None:
    mine = await shop.api.post("/apps", json={}, headers=key("k"))
    theirs = await shop.intruder.post("/apps", json={}, headers=key("k"))
    assert mine.json()["id"] != theirs.json()["id"]
    assert theirs.json()["owner"]["email"] == "mallory@example.com"


async def test_what_was_refused_may_be_tried_again_with_the_same_key(shop: Shop) -> None:
    body = {"plan": "nosuch"}
    before = await shop.rows()
    refused(await shop.api.post("/apps/shop/addons", json=body, headers=key("k")), 404, "not_found")
    assert await shop.rows() == before
    assert (await shop.api.post("/apps", json={}, headers=key("k"))).status_code == 201


async def test_a_key_that_is_no_key_is_refused(shop: Shop) -> None:
    before = await shop.rows()
    for text in ("", " ", "x" * 256, "a\tb", "\x7f", "\xa0", "\xff" * 300):
        answer = await shop.api.post("/apps", json={}, headers={"idempotency-key": text.encode("latin-1")})
        assert "Idempotency-Key" in refused(answer, 422, "invalid_params")["message"]
    assert await shop.rows() == before


async def test_two_keys_in_one_request_are_refused(shop: Shop) -> None:
    before = await shop.rows()
    headers = [("idempotency-key", "one"), ("idempotency-key", "two"), ("content-type", "application/json")]
    answer = await shop.api.request("POST", "/apps", content=b"{}", headers=headers)
    refused(answer, 422, "invalid_params")
    assert await shop.rows() == before


async def test_a_request_that_died_with_its_process_can_be_repeated_after_a_while(shop: Shop) -> None:
    made = await shop.api.post("/apps", json={"name": "lost"}, headers=key("k"))
    async with shop.ctx.database.transaction() as tx:
        await tx.execute(update(IdempotencyKey).values(subject_id=None))
    refused(await shop.api.post("/apps", json={"name": "lost"}, headers=key("k")), 409, "conflict")
    shop.ctx.clock.advance(seconds=ABANDONED.total_seconds())  # type: ignore[attr-defined]
    again = await shop.api.post("/apps", json={"name": "lost"}, headers=key("k"))
    assert (again.status_code, again.json()) == (201, made.json())


async def test_keys_are_forgotten_after_a_day(shop: Shop) -> None:
    first = await shop.api.post("/apps", json={}, headers=key("k"))
    shop.ctx.clock.advance(seconds=KEPT.total_seconds())  # type: ignore[attr-defined]
    second = await shop.api.post("/apps", json={}, headers=key("k"))
    assert first.json()["id"] != second.json()["id"]
    async with shop.ctx.database.transaction() as tx:
        assert (await tx.execute(select(func.count()).select_from(IdempotencyKey))).scalar() == 1


async def test_what_was_made_and_is_gone_again_answers_like_what_is_not_there(shop: Shop) -> None:
    await shop.api.post("/apps", json={"name": "brief"}, headers=key("k"))
    await shop.api.delete("/apps/brief")
    refused(await shop.api.post("/apps", json={"name": "brief"}, headers=key("k")), 404, "not_found")
