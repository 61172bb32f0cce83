"""`--dry-run` of the commands that change add-ons and attachments: what the broker says that they would do."""

from __future__ import annotations

from broker.cli.amounts import money
from broker.cli.client import Client, Json
from broker.cli.errors import Exit
from broker.cli.output import card, clean, heading, say, say_json, warn

_TITLES = {
    "create": "Adding {plan}",
    "change_plan": "Changing {addon} to {plan}",
    "destroy": "Destroying {addon}",
    "attach": "Attaching {addon}",
    "detach": "Detaching {addon}",
}


def preview(client: Client, body: Json) -> Json:
    """What the change would do; nothing is done."""
    found: Json = client.post("/actions/addons/preview", body)
    return found


def say_previews(found: list[Json], as_json: bool) -> Exit:
    """Show them; the exit status is that of a refusal if one of the changes would be refused."""
    if as_json:
        say_json(found if len(found) > 1 else found[0])
    else:
        for one in found:
            _say(one)
    return Exit.FAILED if any(one["obstacles"] for one in found) else Exit.OK


def _say(found: Json) -> None:
    title = _TITLES[found["action"]].format(plan=found["plan"], addon=found["addon"])
    heading(f"{title} (nothing was done)")
    cost = found["cost"]
    fields: dict[str, object] = {}
    if cost:
        fields["Per month"] = _monthly(cost)
        fields[f"Until the end of {cost['month']}"] = _signed(cost["month_delta_minor"], cost["currency"])
    for app in found["apps"]:
        fields |= _app_fields(app)
    fields["Undo"] = clean(found["reversibility"])
    say(card(fields))
    for obstacle in found["obstacles"]:
        warn(f"It would be refused: {obstacle['message']}")


def _monthly(cost: Json) -> str:
    before, after, currency = cost["monthly_before_minor"], cost["monthly_after_minor"], cost["currency"]
    usage = ", and usage" if cost["metered"] else ""
    return f"{_signed(after - before, currency)} ({money(before, currency)} → {money(after, currency)}{usage})"


def _signed(minor: int, currency: str) -> str:
    return f"+{money(minor, currency)}" if minor >= 0 else money(minor, currency)


def _app_fields(app: Json) -> dict[str, object]:
    release = f"release v{app['release']}" if app["release"] else "a release, if the provider gives other values"
    named = {
        "adds": app["added"],
        "changes": app["changed"],
        "removes": app["removed"],
        "may change": app["may_change"],
    }
    told = [f"{verb} {', '.join(names)}" for verb, names in named.items() if names]
    return {f"On {app['name']}": [release, *told]}
