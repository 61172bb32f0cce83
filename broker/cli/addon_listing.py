"""How a list of add-ons looks: a line for each with price and state, and its attachments below it. Pure functions."""

from __future__ import annotations

from broker.cli.amounts import money
from broker.cli.client import Json
from broker.cli.output import clean, max_price, paint_state, price, state_word, table

_HEADINGS = ("Add-on", "Plan", "Price", "Max price", "State")


def monthly_cost(addons: list[Json], app: str | None = None) -> str:
    """What these add-ons cost by the month, or those of them that an app pays for: the list prices, and whether usage is on
    top."""
    amounts = [
        addon.get("billed_price") or addon["plan"].get("price") or {}
        for addon in addons
        if app in (None, addon["app"]["name"]) and addon["state"] in ("provisioning", "provisioned")
    ]
    sums: dict[str, int] = {}
    for amount in amounts:
        currency = amount.get("currency", "usd")
        sums[currency] = sums.get(currency, 0) + (amount.get("cents") or 0)
    dear = {currency: cents for currency, cents in sums.items() if cents} or {"usd": 0}
    usage = " and usage" if any(amount.get("metered") for amount in amounts) else ""
    return " + ".join(money(cents, currency) for currency, cents in sorted(dear.items())) + usage


def attached_as(addon: Json, attachments: list[Json]) -> list[Json]:
    """Those of the attachments that are of this add-on."""
    return [item for item in attachments if item["addon"]["id"] == addon["id"]]


def with_foreign(addons: list[Json], attachments: list[Json], app: str | None) -> list[Json]:
    """The add-ons, and those which the app sees only through an attachment, with as much as that tells of them."""
    listed = {addon["id"] for addon in addons}
    foreign = {
        item["addon"]["id"]: {**item["addon"], "plan": {"name": "?:?"}, "addon_service": {"name": "?"}, "state": ""}
        for item in attachments
        if app is not None and item["app"]["name"] == app and item["addon"]["id"] not in listed
    }
    return [*addons, *foreign.values()]


def listing(addons: list[Json], attachments: list[Json], app: str | None) -> str:
    """The list of one app, or of all when it is None."""
    ordered = sorted(addons, key=lambda addon: (addon["app"]["name"], addon["plan"]["name"], addon["name"]))
    heading, rule, *rows = table([_row(addon, app) for addon in ordered], _HEADINGS).splitlines()
    body: list[str] = []
    for row, addon in zip(rows, ordered, strict=True):
        body += [_painted(row, addon), *_branches(attached_as(addon, attachments), app)]
    return "\n".join([heading, rule, *body])


def _row(addon: Json, app: str | None) -> tuple[str, ...]:
    """The cells of an add-on. What another app pays for has no price here."""
    amount = addon.get("billed_price") or addon["plan"].get("price")
    owner = addon["app"]["name"]
    cost = (price(amount), max_price(amount)) if app in (None, owner) else (f"(billed to {owner})", "")
    title = f"{addon['addon_service']['name']} ({addon['name']})"
    return title, addon["plan"]["name"].partition(":")[2], *cost, shown_state(addon)


def shown_state(addon: Json) -> str:
    """Its state in a word: an add-on that is suspended is there, and can't be used."""
    return "suspended" if addon.get("suspended_at") and addon["state"] == "provisioned" else state_word(addon["state"])


def _painted(row: str, addon: Json) -> str:
    """The row with the state at its end in colour."""
    word = shown_state(addon)
    return row.removesuffix(word) + paint_state(word) if word else row


def _branches(attachments: list[Json], app: str | None) -> list[str]:
    """A line for each attachment, those of the app itself first."""

    def place(item: Json) -> tuple[bool, str, str]:
        return item["app"]["name"] != app, item["app"]["name"], item["name"]

    ordered = sorted(attachments, key=place)
    names = [f"as {item['name']}" + (f" on {item['app']['name']}" if place(item)[0] else "") for item in ordered]
    return [f"{'└─' if number == len(names) else '├─'} {clean(name)}" for number, name in enumerate(names, 1)]
