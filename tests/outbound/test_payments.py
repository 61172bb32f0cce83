"""The gateway's adapter: Stripe's own library over real sockets, against the local gateway, which speaks Stripe's API."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from broker.kernel.context import Context
from broker.kernel.ids import new_id
from broker.kernel.secret import Secret
from broker.outbound.http import GuardedClient, Response
from broker.outbound.payment_news import StripeNews
from broker.outbound.payments import StripeGateway
from broker.payments.ports import (
    ActionNeeded,
    Aftermath,
    ChargeCall,
    CustomerCall,
    CustomerMade,
    Declined,
    Forged,
    LookCall,
    NotThere,
    Pending,
    RefundCall,
    RefundLook,
    SentBack,
    SetupCall,
    SetupDone,
    SetupOpen,
    SetupOver,
    Succeeded,
    Unknown,
    Verdict,
)
from embedded.gateway.webhooks import signature
from embedded.processes import free_port
from tests.gateway import (
    DECLINED,
    FAILS_LATER,
    GOOD,
    KEY,
    MUST_CONFIRM,
    POOR,
    SLOW,
    TAKEN_BACK,
    LocalGateway,
    fill_in,
    running_gateway,
)

LOOPBACK = [ip_network("127.0.0.0/8")]
BACK = "http://127.0.0.1:1/account/payment"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalGateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway


@pytest_asyncio.fixture
async def client() -> AsyncIterator[GuardedClient]:
    client = GuardedClient(LOOPBACK, limit_bytes=1 << 20, timeout_s=10)
    yield client
    await client.close()


@pytest.fixture
def gateway(local: LocalGateway, client: GuardedClient) -> StripeGateway:
    return StripeGateway("local", Secret(KEY), client, local.url)


async def customer(gateway: StripeGateway, account_id: UUID | None = None) -> str:
    made = await gateway.make_customer(CustomerCall(account_id or new_id(), "alice@example.com"))
    assert isinstance(made, CustomerMade)
    return made.reference


async def page(gateway: StripeGateway, whose: str) -> SetupOpen:
    until = datetime.now(UTC) + timedelta(hours=1)
    opened = await gateway.open_setup(SetupCall(new_id(), whose, BACK, until))
    assert isinstance(opened, SetupOpen)
    return opened


async def card(gateway: StripeGateway, number: str) -> tuple[str, str]:
    """A customer with this card: the references of both."""
    whose = await customer(gateway)
    opened = await page(gateway, whose)
    assert opened.url is not None
    assert (await asyncio.to_thread(fill_in, opened.url, number)).status_code == 303
    done = await gateway.look_at_setup(opened.reference)
    assert isinstance(done, SetupDone)
    return whose, done.method.reference


def charge_of(
    whose: str, method: str, minor: int = 1234, return_url: str | None = None, currency: str = "usd"
) -> ChargeCall:
    return ChargeCall(new_id(), whose, method, minor, currency, "2026-0001", return_url)


async def until_settled(gateway: StripeGateway, reference: str) -> object:
    found: object = None
    for _ in range(200):
        if not isinstance(found := await gateway.look_at(LookCall(new_id(), reference, None)), Pending):
            break
        await asyncio.sleep(0.05)
    return found


async def test_a_card_is_added_on_the_gateway_s_page(gateway: StripeGateway) -> None:
    account = new_id()
    whose = await customer(gateway, account)
    assert whose == await customer(gateway, account), "the same account is the same customer"
    opened = await page(gateway, whose)
    assert opened == await gateway.look_at_setup(opened.reference), "nobody was there yet"
    assert opened.url is not None
    for number, expires, wrong in (
        ("4111 1111 1111 1111", "12/40", "none of the test cards"),
        ("4000 0000 0000 0002", "12/40", "declined"),
        ("4242 4242 4242 4242", "12/20", "a month to come"),
        ("4242 4242 4242 4242", "tomorrow", "a month to come"),
    ):
        refused = await asyncio.to_thread(fill_in, opened.url, number, expires)
        assert refused.status_code == 422
        assert wrong in refused.text
    added = await asyncio.to_thread(fill_in, opened.url, "4242 4242 4242 4242", "3/2040")
    assert added.headers["location"] == BACK
    done = await gateway.look_at_setup(opened.reference)
    assert isinstance(done, SetupDone)
    assert (done.method.brand, done.method.last4, done.method.exp_month, done.method.exp_year) == (
        "visa", "4242", 3, 2040,
    )  # fmt: skip
    assert "over" in (await asyncio.to_thread(fill_in, opened.url)).text, "a page is good for one card"
    assert await gateway.look_at_setup("cs_unknown") == SetupOver()
    assert await gateway.forget_method(done.method.reference) == Succeeded(done.method.reference)
    assert await gateway.forget_method("pm_unknown") == Succeeded("pm_unknown"), "what is gone is gone"


async def test_a_charge_that_is_repeated_under_its_key_happens_once(
    gateway: StripeGateway, local: LocalGateway
) -> None:
    call = charge_of(*await card(gateway, GOOD))
    first, again = await asyncio.gather(gateway.charge(call), gateway.charge(call))
    assert isinstance(first, Succeeded)
    assert first == again
    listed, headers = f"{local.url}/v1/payment_intents?customer={call.customer}", {"authorization": f"Bearer {KEY}"}
    answer = await asyncio.to_thread(httpx.get, listed, headers=headers, trust_env=False)
    assert [each["metadata"]["payment_id"] for each in answer.json()["data"]] == [str(call.payment_id)]
    found = await gateway.look_at(LookCall(call.payment_id, None, call.customer))
    assert found == first, "a charge whose answer was lost is found by our own id"
    assert await gateway.look_at(LookCall(new_id(), None, call.customer)) == NotThere()
    assert await gateway.look_at(LookCall(new_id(), None, "cus_unknown")) == NotThere()


async def test_refusals_are_values_with_a_sentence(gateway: StripeGateway) -> None:
    declined = await gateway.charge(charge_of(*await card(gateway, DECLINED)))
    assert isinstance(declined, Declined)
    assert declined.reference is not None
    assert (declined.code, declined.message) == ("generic_decline", "Your card was declined.")
    again = await gateway.look_at(LookCall(new_id(), declined.reference, None))
    assert again == declined, "a look tells the same as the answer"
    poor = await gateway.charge(charge_of(*await card(gateway, POOR)))
    assert isinstance(poor, Declined)
    assert poor.code == "insufficient_funds"
    whose, method = await card(gateway, GOOD)
    nonsense = await gateway.charge(charge_of(whose, "pm_unknown"))
    assert isinstance(nonsense, Declined)
    assert nonsense.code == "resource_missing"
    assert isinstance(await gateway.charge(charge_of(whose, method, minor=0)), Declined)


async def test_what_takes_its_time_is_pending_until_it_is_known(gateway: StripeGateway) -> None:
    slow = await gateway.charge(charge_of(*await card(gateway, SLOW)))
    assert isinstance(slow, Pending)
    assert await until_settled(gateway, slow.reference) == Succeeded(slow.reference, fee_minor=66)
    failing = await gateway.charge(charge_of(*await card(gateway, FAILS_LATER)))
    assert isinstance(failing, Pending)
    assert isinstance(await until_settled(gateway, failing.reference), Declined)


async def test_what_must_be_confirmed_leads_to_a_page_if_somebody_is_there(gateway: StripeGateway) -> None:
    whose, method = await card(gateway, MUST_CONFIRM)
    absent = await gateway.charge(charge_of(whose, method))
    assert isinstance(absent, ActionNeeded)
    assert absent.url is None
    there = await gateway.charge(charge_of(whose, method, return_url=BACK))
    assert isinstance(there, ActionNeeded)
    assert there.url is not None
    assert there.reference is not None
    sent = await asyncio.to_thread(httpx.post, there.url, data={"answer": "yes"}, trust_env=False)
    assert sent.headers["location"] == BACK
    assert await gateway.look_at(LookCall(new_id(), there.reference, None)) == Succeeded(there.reference, 66)
    assert await gateway.give_up(there.reference) == Succeeded(there.reference, 66), "it is too late to give it up"
    left = await gateway.charge(charge_of(whose, method, return_url=BACK))
    assert isinstance(left, ActionNeeded)
    assert left.reference is not None
    over = await gateway.give_up(left.reference)
    assert isinstance(over, Declined)
    assert over.code == "not_confirmed"


async def test_no_more_goes_back_than_came(gateway: StripeGateway) -> None:
    paid = await gateway.charge(charge_of(*await card(gateway, GOOD), minor=1000))
    assert isinstance(paid, Succeeded)
    call = RefundCall(new_id(), paid.reference, 600, "usd")
    first = await gateway.refund(call)
    assert isinstance(first, Succeeded)
    assert first == await gateway.refund(call)
    for reference in (first.reference, None):
        assert await gateway.look_at_refund(RefundLook(call.refund_id, paid.reference, reference)) == first
    assert await gateway.look_at_refund(RefundLook(new_id(), paid.reference, None)) == NotThere()
    beyond = await gateway.refund(RefundCall(new_id(), paid.reference, 401, "usd"))
    assert isinstance(beyond, Declined)
    assert beyond.code == "charge_already_refunded"


async def test_what_happened_past_the_broker_is_seen(gateway: StripeGateway, local: LocalGateway) -> None:
    """Refunds at the dashboard, and what a bank takes back: opened by a test card, decided by the words of the answer to it."""

    async def send(path: str, **form: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {KEY}"}
        return await asyncio.to_thread(httpx.post, local.url + path, data=form, headers=headers, trust_env=False)

    paid = await gateway.charge(charge_of(*await card(gateway, GOOD), minor=1000))
    assert paid == Succeeded(getattr(paid, "reference", ""), fee_minor=59)
    assert await gateway.look_back(paid.reference) == Aftermath(59, [], [])
    there = await send("/v1/refunds", payment_intent=paid.reference, amount="300", reason="requested_by_customer")
    ours = await gateway.refund(RefundCall(call_id := new_id(), paid.reference, 200, "usd"))
    assert isinstance(ours, Succeeded)
    mine = SentBack(ours.reference, 200, ours, call_id)
    theirs = SentBack(there.json()["id"], 300, Succeeded(there.json()["id"]), reason="requested by customer")
    assert await gateway.look_back(paid.reference) == Aftermath(59, [mine, theirs], [])
    for words, verdict in (("winning_evidence", Verdict.WON), ("losing_evidence", Verdict.LOST)):
        taken = await gateway.charge(charge_of(*await card(gateway, TAKEN_BACK), minor=1000))
        assert isinstance(taken, Succeeded)
        for _ in range(200):
            seen = await gateway.look_back(taken.reference)
            assert isinstance(seen, Aftermath)
            if seen.chargebacks:
                break
            await asyncio.sleep(0.05)
        (opened,) = seen.chargebacks
        assert (opened.minor, opened.verdict, opened.reason, opened.fee_minor) == (1000, "open", "fraudulent", 1500)
        assert opened.answer_by is not None
        assert (await send("/v1/refunds", payment_intent=taken.reference)).json()["error"]["code"] == "charge_disputed"
        await send(f"/v1/disputes/{opened.reference}", **{"evidence[uncategorized_text]": words})
        decided = await gateway.look_back(taken.reference)
        assert isinstance(decided, Aftermath)
        assert decided.chargebacks == [replace(opened, verdict=verdict)]
        lately = await gateway.gone_since(datetime.now(UTC) - timedelta(hours=1))
        assert {paid.reference, taken.reference} <= set(lately if not isinstance(lately, Unknown) else ())
    assert await gateway.gone_since(datetime.now(UTC) + timedelta(hours=1)) == []
    assert await gateway.look_back("pi_unknown") == Unknown("InvalidRequestError 404")


async def test_amounts_are_given_as_the_gateway_counts_them(gateway: StripeGateway, local: LocalGateway) -> None:
    whose, method = await card(gateway, GOOD)
    for currency, minor, counted in (("usd", 1234, 1234), ("jpy", 500, 500), ("isk", 500, 50_000)):
        paid = await gateway.charge(charge_of(whose, method, minor, currency=currency))
        assert isinstance(paid, Succeeded)
        back = await gateway.refund(RefundCall(new_id(), paid.reference, minor, currency))
        assert isinstance(back, Succeeded)
        url, headers = f"{local.url}/v1/payment_intents/{paid.reference}", {"authorization": f"Bearer {KEY}"}
        found = (await asyncio.to_thread(httpx.get, url, headers=headers, trust_env=False)).json()
        assert (found["amount"], found["amount_refunded"]) == (counted, counted)
    for currency in ("mga", "ugx"):
        refused = await gateway.charge(charge_of(whose, method, 12_345, currency=currency))
        assert isinstance(refused, Declined)
        assert refused.code == "currency_not_supported"


async def test_cards_take_no_thousandths_of_a_currency(gateway: StripeGateway) -> None:
    whose, method = await card(gateway, GOOD)
    odd = await gateway.charge(charge_of(whose, method, 5124, currency="kwd"))
    assert isinstance(odd, Declined)
    assert (odd.code, "bank transfer" in odd.message) == ("amount_not_supported", True)
    even = await gateway.charge(charge_of(whose, method, 5120, currency="kwd"))
    assert isinstance(even, Succeeded)
    assert isinstance(await gateway.refund(RefundCall(new_id(), even.reference, 5, "kwd")), Declined)
    assert isinstance(await gateway.refund(RefundCall(new_id(), even.reference, 20, "kwd")), Succeeded)


async def test_what_the_gateway_had_and_does_not_find_is_unknown(gateway: StripeGateway) -> None:
    """As with the key of another account: whoever took it for undone would ask for the money again."""
    for found in (
        await gateway.look_at(LookCall(new_id(), "pi_unknown", "cus_1")),
        await gateway.look_at_refund(RefundLook(new_id(), "pi_unknown", "re_unknown")),
    ):
        assert isinstance(found, Unknown)
        assert "another account" in found.note


async def test_what_says_nothing_of_the_payment_is_unknown(
    gateway: StripeGateway, local: LocalGateway, client: GuardedClient
) -> None:
    call = charge_of(*await card(gateway, GOOD))
    wrong_key = StripeGateway("local", Secret("sk_wrong"), client, local.url)
    assert await wrong_key.charge(call) == Unknown("AuthenticationError 401")
    nobody = StripeGateway("local", Secret(KEY), client, f"http://127.0.0.1:{free_port()}")
    lost = await nobody.charge(call)
    assert isinstance(lost, Unknown)
    assert "APIConnectionError" in lost.note
    guarded = GuardedClient([], limit_bytes=1 << 20, timeout_s=5)
    inside = await StripeGateway("local", Secret(KEY), guarded, local.url).charge(call)
    await guarded.close()
    assert inside == Unknown("APIConnectionError: the address is not a public one")
    assert isinstance(await gateway.charge(call), Succeeded), "nothing of this had been a charge"


class Scripted(GuardedClient):
    """Answers as a gateway may and the local one never does."""

    def __init__(self, code: int, answer: dict[str, object]) -> None:
        super().__init__([], limit_bytes=1, timeout_s=1)
        self._answer = Response(code, httpx.Headers(), json.dumps(answer).encode())

    async def request(self, *_: object, **__: object) -> Response:
        return self._answer


async def ask(code: int, question: Callable[[StripeGateway], Awaitable[object]], answer: dict[str, object]) -> object:
    client = Scripted(code, answer)
    try:
        return await question(StripeGateway("stripe", Secret(KEY), client))
    finally:
        await client.close()


async def test_whatever_is_refused_is_a_value() -> None:
    no: dict[str, object] = {"error": {"type": "invalid_request_error", "message": "Invalid email address: alice@"}}
    asked = CustomerCall(new_id(), "alice@")
    assert await ask(400, lambda it: it.make_customer(asked), no) == Unknown("InvalidRequestError 400")
    assert await ask(402, lambda it: it.make_customer(asked), no) == Unknown("CardError 402")


async def test_what_an_answer_leaves_out_is_no_obstacle() -> None:
    look, sdk = LookCall(new_id(), "pi_1", None), {"type": "use_stripe_sdk"}
    for status, leads in (("requires_action", sdk), ("requires_confirmation", None)):
        intent: dict[str, object] = {"id": "pi_1", "object": "payment_intent", "status": status, "next_action": leads}
        found = await ask(200, lambda it: it.look_at(look), intent)
        assert isinstance(found, ActionNeeded)
        assert (found.reference, found.url) == ("pi_1", None)
    back: dict[str, object] = {"id": "re_1", "object": "refund", "status": "canceled"}
    gone = await ask(200, lambda it: it.look_at_refund(RefundLook(new_id(), "pi_1", "re_1")), back)
    assert isinstance(gone, Declined)
    assert gone.code == "failed"


async def test_the_gateway_is_never_asked_inside_a_transaction(gateway: StripeGateway, ctx: Context) -> None:
    async with ctx.database.transaction():
        with pytest.raises(RuntimeError, match="while a transaction is open"):
            await gateway.charge(charge_of("cus_1", "pm_1"))


def test_the_local_gateway_remembers_through_a_kill(tmp_path_factory: pytest.TempPathFactory) -> None:
    home, port = tmp_path_factory.mktemp("killed"), free_port()
    headers = {"authorization": f"Bearer {KEY}", "idempotency-key": "customer 1"}
    made = []
    for _ in range(2):
        with running_gateway(home, port=port) as local:
            made.append(httpx.post(f"{local.url}/v1/customers", data={"email": "a@b.c"}, headers=headers).json())
            other = httpx.post(f"{local.url}/v1/customers", data={"email": "x@y.z"}, headers=headers)
            assert other.json()["error"]["type"] == "idempotency_error"
    assert made[0] == made[1]


EVENT = {
    "id": "evt_1",
    "type": "payment_intent.succeeded",
    "data": {"object": {"id": "pi_1", "metadata": {"payment_id": "0198a0b0-0000-7000-8000-000000000001"}}},
}


def test_webhooks_are_read_if_they_are_signed_with_one_of_the_secrets() -> None:
    read = StripeNews([Secret("new"), Secret("old")])
    body = json.dumps(EVENT)
    for secret in ("new", "old"):
        news = read(body.encode(), signature(secret, body, time.time()))
        assert (news.id, news.kind, news.reference) == ("evt_1", "payment_intent.succeeded", "pi_1")
        assert news.subject == UUID("0198a0b0-0000-7000-8000-000000000001")


def test_webhooks_say_of_which_payment_money_goes_back() -> None:
    read = StripeNews([Secret("new")])
    for kind, expected in (("charge.dispute.created", "pi_1"), ("refund.created", "pi_1"), ("charge.succeeded", "")):
        body = json.dumps({"id": "evt_1", "type": kind, "data": {"object": {"id": "x_1", "payment_intent": "pi_1"}}})
        assert read(body.encode(), signature("new", body, time.time())).taken_from == expected


@pytest.mark.parametrize(
    ("body", "header"),
    [
        (json.dumps(EVENT), signature("another", json.dumps(EVENT), time.time())),
        (json.dumps(EVENT) + " ", signature("new", json.dumps(EVENT), time.time())),
        (json.dumps(EVENT), signature("new", json.dumps(EVENT), time.time() - 400)),
        (json.dumps(EVENT), ""),
        (json.dumps(EVENT), "t=now,v1=?"),
        (json.dumps(EVENT), f"t={int(time.time())},v1=\u00e9"),
        ("[]", signature("new", "[]", time.time())),
        ("no json", signature("new", "no json", time.time())),
        ('{"id": 1}', signature("new", '{"id": 1}', time.time())),
    ],
    ids=["forged", "changed", "old", "unsigned", "no time", "no ascii", "no object", "no json", "no event"],
)
def test_webhooks_that_are_forged_old_or_nonsense_are_refused(body: str, header: str) -> None:
    with pytest.raises(Forged):
        StripeNews([Secret("new")])(body.encode(), header)
