"""What is told of an add-on's terms to come: its trial, and the plan change that is scheduled."""

from __future__ import annotations

from broker.cli.client import Client, Json
from broker.cli.errors import RefusedMissing
from broker.cli.output import clean, moment, note, say_json
from broker.cli.progress import Progress


def schedule(client: Client, found: Json, wanted: str, as_json: bool) -> None:
    """Have the plan changed when the month is over."""
    with Progress(f"Scheduling {found['name']} to change from {found['plan']['name']} to {wanted}") as progress:
        made = client.put(f"/addons/{found['id']}/scheduled-plan-change", {"plan": wanted})
        progress.done(f"done, on {moment(made['effective_at'])}")
    if as_json:
        say_json(made)
    else:
        note(f"Until then nothing changes. `broker addons:unschedule {found['name']}` takes it back.")


def say_trial(client: Client, made: Json) -> None:
    """Tell of the trial of an add-on that was just made, if it may have one."""
    if not made["plan"].get("trial_days") or made["state"] != "provisioned":
        return
    trial = client.get(f"/addons/{made['id']}/terms")["trial"]
    if trial is None:
        note("It is paid for from now on: your account has used its trial of this service, or another add-on has it.")
    elif trial["accepted_at"]:
        note(f"It costs nothing until {moment(trial['ends_at'])}, and is paid for from then on.")
    else:
        note(
            f"It costs nothing until {moment(trial['ends_at'])}. Then it is suspended, unless you agree to pay:"
            f" broker trials:accept {clean(made['name'])}"
        )


def terms_fields(client: Client, found: Json) -> Json:
    """What `addons:info` says of who pays and what is to come."""
    try:
        terms = client.get(f"/addons/{found['id']}/terms")
    except RefusedMissing:  # it failed or was removed: nothing is to come
        return {}
    trial, change = terms["trial"], terms["scheduled_plan_change"]
    then = "paid" if trial and trial["accepted_at"] else "suspended, unless accepted"
    return {
        "Paid by": terms["payer"]["email"],
        "Trial": f"until {moment(trial['ends_at'])}, then {then}" if trial and trial["ends_at"] else None,
        "Next plan": f"{change['plan']} on {moment(change['effective_at'])}" if change else None,
    }
