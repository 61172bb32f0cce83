"""Bills that are not paid, over HTTP: what their account is told, and what operators see and do."""

from dataclasses import replace

from fastapi import FastAPI
from sqlalchemy import update

from broker.accounts.models import User
from broker.addons.models import Suspension
from broker.events.take_in import Fact
from broker.faces.webhook_payloads import WebhookPayloads
from broker.kernel.clock import rfc3339
from broker.kernel.context import SYSTEM, Context
from broker.kernel.ids import new_id
from tests.domain import new_user
from tests.payments.debtor import Debtor
from tests.payments.debtor import debtor as debtor
from tests.platform_api.conftest import client_of, token_of


async def test_an_account_reads_what_it_owes_and_operators_leave_what_is_disputed(
    ctx: Context, app: FastAPI, debtor: Debtor
) -> None:
    olga = replace(await new_user(ctx, "olga@example.com"), is_operator=True)
    async with ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == olga.id).values(is_operator=True))
    await debtor.round()
    await debtor.until_day(14)
    hers, ours = await token_of(ctx, debtor.world.user), await token_of(ctx, olga)
    async with client_of(app, hers) as account, client_of(app, ours) as operators:
        status = (await account.get("/account/billing")).json()
        (bill,) = status["invoices"]
        assert (bill["number"], bill["state"], bill["paused"]) == (debtor.number, "past_due", False)
        assert [step["step"] for step in bill["steps"]] == ["notice-14", "notice-7", "notice-3", "delete"]
        assert status["scheduled_deletion_time"] == bill["steps"][-1]["due_at"]
        me = (await account.get("/account")).json()
        dates = ("delinquent_at", "suspended_at", "scheduled_deletion_time")
        assert {name: me[name] for name in dates} == {name: status[name] for name in dates}

        refused = await account.post(f"/addons/{debtor.paid.id}/actions/open", json={"app": "shop", "path": "/"})
        assert refused.status_code in (402, 422)
        refused = await account.patch(f"/apps/shop/addons/{debtor.paid.id}", json={"plan": "store:huge"})
        assert (refused.status_code, refused.json()["id"]) == (402, "delinquent")
        shown = (await account.get(f"/addons/{debtor.paid.id}")).json()
        assert (shown["state"], shown["suspended_for"]) == ("provisioned", "unpaid")
        data = (await account.get(f"/addons/{debtor.paid.id}/credentials/default")).json()
        assert data["config"] == {"STORE_URL": f"store://{debtor.paid.id}"}
        assert data["deletes_at"] == status["scheduled_deletion_time"]

        assert (await account.get("/billing/delinquent")).status_code == 404
        (late,) = (await operators.get("/billing/delinquent")).json()
        assert (late["email"], late["invoices"]) == ("alice@example.com", [bill])
        path = f"/billing/invoices/{debtor.number}/disputes"
        made = await operators.post(path, json={"reason": "never worked"})
        assert (made.status_code, made.json()["collected_minor"]) == (201, 0)
        assert (await operators.post(path, json={"reason": "again"})).status_code == 409
        assert (await account.get("/account/billing")).json()["invoices"][0]["paused"] is True
        assert (await operators.get("/billing/delinquent")).json() == []
        assert (await operators.delete(f"{path}?line=x")).status_code == 422
        assert (await operators.delete(path)).json()["collected_minor"] == bill["owed_minor"]

        body = {"addon_service": "store", "reason": "The provider is down."}
        assert (await operators.post("/actions/addons/suspend", json=body)).json() == {"addons": 2}
        shown = (await account.get(f"/addons/{debtor.free.id}")).json()
        assert (shown["suspended_for"], shown["reason"]) == ("unbilled", "The provider is down.")
        assert (await operators.post("/actions/addons/resume", json={})).status_code == 422
        resumed = await operators.post("/actions/addons/resume", json={"addon_service": "store"})
        assert resumed.json() == {"addons": 2}


async def test_providers_are_told_of_a_suspension_as_it_was(ctx: Context, debtor: Debtor) -> None:
    at, render = ctx.clock.now(), WebhookPayloads("https://broker.example.com")
    suspended = Fact(
        new_id(), at, "addon.suspended", SYSTEM.id, SYSTEM.email, debtor.paid.app_id, debtor.paid.id,
        {"why": Suspension.UNPAID.value},
    )  # fmt: skip
    resumed = replace(suspended, kind="addon.resumed", data={"since": rfc3339(at)})
    async with ctx.database.transaction() as tx:
        told, after = await render(tx, suspended, "addon"), await render(tx, resumed, "addon")
    assert (told.data["suspended_at"], told.data["suspended_for"]) == (rfc3339(at), "unpaid")
    assert told.previous == {"suspended_at": None}
    assert after.data["suspended_at"] is None
    assert after.previous == {"suspended_at": rfc3339(at)}
