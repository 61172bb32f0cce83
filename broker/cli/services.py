"""addons:services, addons:plans, addons:docs: the marketplace, before anything is created."""

from __future__ import annotations

import shutil
import sys

import click

from broker.cli.browser import show
from broker.cli.client import Client, Json, connect, segment
from broker.cli.errors import CliError, RefusedMissing
from broker.cli.options import complete_service, json_option, optional_app_option
from broker.cli.output import card, clean, heading, max_price, note, price, say, say_json, table, width


@click.command()
@json_option
def services(as_json: bool) -> None:
    """List the add-on services there are."""
    with connect() as client:
        found = client.get_all("/addon-services")
    found.sort(key=lambda service: service["name"])
    if as_json:
        say_json(found)
    elif found:
        rows = [(item["name"], item["human_name"], item["state"], _measured(item), _tested(item)) for item in found]
        say(table(rows, ("Slug", "Name", "State", "Trials", "Test kit")))
        say("\nSee plans with `broker addons:plans SERVICE`.")
    else:
        note("The marketplace is empty.")


def _measured(service: Json) -> str | None:
    """How many of its canary's runs passed, if there were enough to say so."""
    found = service.get("reliability")
    return f"{found['passed_percent']:.2f} % passed" if found and found["measured"] else None


def _tested(service: Json) -> str | None:
    """The badge of the provider test kit, with its day."""
    badge = service.get("conformance")
    return badge and f"passed {badge['at'][:10]}"


@click.command()
@click.argument("service", shell_complete=complete_service)
@json_option
def plans(service: str, as_json: bool) -> None:
    """Compare the plans of a service."""
    with connect() as client:
        found = client.get_all(f"/addon-services/{segment(service)}/plans")
    found.sort(key=lambda plan: (bool(plan["price"].get("contract")), plan["price"].get("cents") or 0))
    if as_json:
        say_json(found)
        return
    if not found:
        note(f"{service} has no plans.")
        return
    heading(f"{service} Plans")
    columns = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else None
    say(comparison(found, columns))


def comparison(found: list[Json], columns: int | None) -> str:
    """Plans side by side, a line for each feature; below one another when that would be wider than the terminal."""
    facts = [_facts(plan) for plan in found]
    labels = list(dict.fromkeys(label for fact in facts for label in fact))
    names = [plan["name"] + (" (default)" if plan.get("default") else "") for plan in found]
    beside = table([[label, *(fact.get(label, "-") for fact in facts)] for label in labels], ["", *map(clean, names)])
    if columns is None or max(width(line) for line in beside.splitlines()) <= columns:
        return beside
    return "\n\n".join(f"{clean(name)}\n{card(fact)}" for name, fact in zip(names, facts, strict=True))


def _facts(plan: Json) -> dict[str, str]:
    """Label → value of one plan: name, price, then the features its maker declares."""
    features = {label: _feature(value) for label, value in (plan.get("features") or {}).items()}
    amount, days = plan["price"], plan.get("trial_days")
    trial = {"Trial": f"{days} days"} if days else {}
    return {"Name": plan["human_name"], "Price": price(amount), "Max price": max_price(amount), **trial, **features}


def _feature(value: object) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


@click.command()
@click.argument("service", metavar="SERVICE|ADDON", shell_complete=complete_service)
@optional_app_option
@click.option("--show-url", is_flag=True, help="Print the address of the page alone.")
@json_option
def docs(service: str, app: str | None, show_url: bool, as_json: bool) -> None:
    """Show the documentation of a service.

    Prints the text that the marketplace has, or else opens the service's page in the marketplace.
    """
    with connect() as client:
        found = _service(client, service, app)
        page = f"{client.url}/marketplace/{segment(found['name'])}/docs"
    name, text, url = found["name"], found.get("docs"), found.get("docs_url")
    if as_json:
        say_json({"service": name, "docs": text, "docs_url": url, "page": page})
    elif text and not show_url:
        say(clean(text).rstrip() + f"\n\nAs a page: {page}" + (f"\nMore: {clean(url)}" if url else ""))
    else:
        show(page, f"the documentation of {name}", only_print=show_url)


def _service(client: Client, key: str, app: str | None) -> Json:
    """A service by its slug, by the name of a plan, or by the name of an add-on."""
    from broker.cli.addons import resolve

    name = key.partition(":")[0] if "::" not in key else key
    try:
        found: Json = client.get(f"/addon-services/{segment(name)}")
    except RefusedMissing as missing:
        try:
            name = resolve(client, key, app)["addon_service"]["name"]
        except CliError:
            raise missing from None
        found = client.get(f"/addon-services/{segment(name)}")
    return found
