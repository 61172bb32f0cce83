"""Options that many commands share, and the completion of their values.

`--app/-a` (or BROKER_APP), `--json`, `--confirm`, and arguments that name an app, an add-on or a service.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from broker.cli.client import TEAM, Json, connect, segment
from broker.cli.errors import CliError

F = TypeVar("F", bound=Callable[..., Any])

_COMPLETION_TIMEOUT_S = 1.5


def _listed(path: str) -> list[Json]:
    """A list for completion; empty when the broker is away, for pressing Tab must never complain."""
    try:
        with connect(_COMPLETION_TIMEOUT_S) as client:
            return client.get_all(path)
    except CliError:
        return []


def _named(items: list[Json], incomplete: str, help_key: str | None = None) -> list[CompletionItem[str]]:
    return [
        CompletionItem(item["name"], help=item.get(help_key) if help_key else None)
        for item in items
        if item["name"].startswith(incomplete)
    ]


def complete_app(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    return _named(_listed("/apps"), incomplete)


def complete_service(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    service, colon, _ = incomplete.partition(":")
    if not colon:
        return _named(_listed("/addon-services"), incomplete, "human_name")
    return _named(_listed(f"/addon-services/{segment(service)}/plans"), incomplete, "human_name")


def complete_addon(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    app = ctx.params.get("app")
    return _named(_listed(f"/apps/{segment(app)}/addons" if app else "/addons"), incomplete)


def complete_attachment(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    app = ctx.params.get("app")
    return _named(_listed(f"/apps/{segment(app)}/addon-attachments"), incomplete) if app else []


def complete_config_name(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    app = ctx.params.get("app")
    if not app:
        return []
    try:
        with connect(_COMPLETION_TIMEOUT_S) as client:
            names = client.get(f"/apps/{segment(app)}/config-vars")
    except CliError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def app_option(command: F) -> F:
    """`--app/-a APP`, needed; the parameter is `app`."""
    return click.option(
        "-a", "--app", required=True, envvar="BROKER_APP", show_envvar=True, metavar="APP",
        shell_complete=complete_app, is_eager=True, help="App to work on.",
    )(command)  # fmt: skip


def optional_app_option(command: F) -> F:
    """`--app/-a APP`; the parameter is `app`, None when not given."""
    return click.option(
        "-a", "--app", envvar="BROKER_APP", show_envvar=True, metavar="APP",
        shell_complete=complete_app, is_eager=True, help="App to work on.",
    )(command)  # fmt: skip


def complete_team(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    return _named(_listed("/teams"), incomplete)


def needed_team_option(command: F) -> F:
    """`--team/-t TEAM`, needed; the parameter is `team`."""
    return click.option(
        "-t", "--team", required=True, envvar="BROKER_TEAM", show_envvar=True, metavar="TEAM",
        shell_complete=complete_team, help="Team to work on.",
    )(command)  # fmt: skip


def optional_team_option(command: F) -> F:
    """`--team/-t TEAM`; the parameter is `team`, None when not given."""
    return click.option(
        "-t", "--team", envvar="BROKER_TEAM", show_envvar=True, metavar="TEAM", shell_complete=complete_team,
        help="A team of yours, in place of yourself.",
    )(command)  # fmt: skip


def for_team_option(command: F) -> F:
    """`--team/-t TEAM`; there is no parameter: what is asked of the account, is asked of the team's (`connect`)."""

    def keep(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
        ctx.meta[TEAM] = value

    return click.option(
        "-t", "--team", envvar="BROKER_TEAM", show_envvar=True, metavar="TEAM", shell_complete=complete_team,
        expose_value=False, callback=keep, help="Act with the money of a team (its owners, admins and billing).",
    )(command)  # fmt: skip


def json_option(command: F) -> F:
    """`--json`; the parameter is `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def confirm_option(command: F) -> F:
    """`--confirm APP`; the parameter is `confirm`."""
    return click.option(
        "-c", "--confirm", metavar="APP", shell_complete=complete_app, help="Name of the app, instead of being asked."
    )(command)


def dry_run_option(command: F) -> F:
    """`--dry-run`; the parameter is `dry_run`."""
    return click.option("--dry-run", is_flag=True, help="Say what it would do and cost, and do nothing.")(command)


def request_option(command: F) -> F:
    """`--request`; the parameter is `request`."""
    return click.option(
        "--request", is_flag=True, help="Ask the owner of the account to approve it, if a budget does not allow it."
    )(command)


def wait_option(command: F) -> F:
    """`--wait/--no-wait`; the parameter is `wait`."""
    return click.option(
        "--wait/--no-wait", default=False, help="Stay until the operation is finished, however long it takes."
    )(command)


def app_argument(command: F) -> F:
    """The app as an optional argument besides `--app`; the parameter is `name`."""
    return click.argument("name", required=False, metavar="[APP]", shell_complete=complete_app)(command)


def one_app(name: str | None, app: str | None) -> str:
    """The app given as argument or option.

    Raises: UsageError when there is none.
    """
    chosen = name or app
    if not chosen:
        raise click.UsageError("Which app? Name it, or use --app APP, or set BROKER_APP.")
    return chosen


def addon_argument(command: F) -> F:
    return click.argument("addon", shell_complete=complete_addon)(command)


def host_and_port(text: str) -> tuple[str, int]:
    """The two parts of the value of `--listen`.

    Raises: BadParameter.
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter("must be HOST:PORT, such as 127.0.0.1:4568.", param_hint="--listen")
    return host.strip("[]") or "127.0.0.1", int(port)
