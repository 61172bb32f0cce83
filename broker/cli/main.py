"""The command group: which commands there are, under which names, and what happens to their errors.

Commands are imported only when they run, so that the start is fast; this table is the one place where they are listed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from typing import NoReturn

import click

from broker.cli.errors import CliError, Exit
from broker.cli.output import clean, note, paint

TOPICS: dict[str, dict[str, str]] = {
    "Login": {
        "login": "auth:login",
        "logout": "auth:logout",
        "whoami": "auth:whoami",
        "auth:token": "auth:token",
        "authorizations": "authorizations:list_",
        "authorizations:create": "authorizations:create",
        "authorizations:info": "authorizations:info",
        "authorizations:revoke": "authorizations:revoke",
        "sessions": "sessions:list_",
        "sessions:destroy": "sessions:destroy",
        "notices": "notices:notices",
    },
    "Programs of third parties": {
        "clients": "clients:list_",
        "clients:create": "clients:create",
        "clients:info": "clients:info",
        "clients:update": "clients:update",
        "clients:rotate": "clients:rotate",
        "clients:destroy": "clients:destroy",
    },
    "Apps": {
        "apps": "apps:list_",
        "apps:create": "apps:create",
        "apps:info": "apps:info",
        "apps:rename": "apps:rename",
        "apps:destroy": "apps:destroy",
        "apps:leave": "access:leave",
        "access": "access:list_",
        "access:add": "access:add",
        "access:remove": "access:remove",
        "apps:transfer": "transfers:app",
        "transfers": "transfers:list_",
        "transfers:accept": "transfers:accept",
        "transfers:decline": "transfers:decline",
        "apps:payer": "payers:ask",
        "payers": "payers:list_",
        "payers:accept": "payers:accept",
        "payers:decline": "payers:decline",
        "payers:end": "payers:end",
        "tags": "tags:list_",
        "tags:set": "tags:set_",
        "tags:unset": "tags:unset",
    },
    "Add-ons": {
        "addons": "addons:list_",
        "addons:services": "services:services",
        "addons:plans": "services:plans",
        "addons:docs": "services:docs",
        "services:health": "health:services",
        "addons:create": "addon_changes:create",
        "addons:info": "addons:info",
        "addons:open": "addons:open_",
        "addons:upgrade": "addon_changes:upgrade",
        "addons:unschedule": "addon_changes:unschedule",
        "addons:transfer": "transfers:addon",
        "addons:rename": "addon_changes:rename",
        "addons:destroy": "addon_destroy:destroy",
        "addons:wait": "addons:wait",
        "addons:operations": "addons:operations",
        "addons:attach": "attachments:attach",
        "addons:detach": "attachments:detach",
        "addons:rotate": "rotation:rotate",
        "addons:credentials": "rotation:credentials",
        "addons:credentials:show": "own_credentials:show",
        "addons:credentials:create": "own_credentials:create",
        "addons:credentials:destroy": "own_credentials:destroy",
        "addons:refresh": "rotation:refresh",
    },
    "Config vars and releases": {
        "config": "config:show",
        "config:get": "config:get",
        "config:set": "config:set_",
        "config:unset": "config:unset",
        "config:edit": "config_edit:edit",
        "releases": "releases:list_",
        "releases:info": "releases:info",
        "releases:rollback": "releases:rollback",
        "run": "run:run",
    },
    "Costs": {
        "costs": "costs:costs",
        "billing:status": "dunning:status",
        "usage:addons": "costs:usage",
        "trials": "trials:list_",
        "trials:accept": "trials:accept",
        "trials:refuse": "trials:refuse",
        "invoices": "invoices:list_",
        "invoices:show": "invoices:show",
        "invoices:explain": "invoices:explain",
        "invoices:export": "invoices:export",
        "invoices:pay": "payments:pay",
        "payment-methods": "payments:methods",
        "payment-methods:add": "payments:add",
        "payment-methods:default": "payments:default",
        "payment-methods:remove": "payments:remove",
        "payments": "payments:list_",
        "credits": "invoices:credits_",
        "budgets": "budgets:list_",
        "budgets:set": "budgets:set_",
        "budgets:remove": "budgets:remove",
        "budgets:notices": "budgets:notices",
        "budgets:requests": "budgets:requests",
        "budgets:approve": "budgets:approve",
        "budgets:refuse": "budgets:refuse",
    },
    "Webhooks": {
        "webhooks": "webhooks:list_",
        "webhooks:add": "webhooks:add",
        "webhooks:info": "webhooks:info",
        "webhooks:update": "webhooks:update",
        "webhooks:remove": "webhooks:remove",
        "webhooks:deliveries": "webhook_deliveries:list_",
        "webhooks:deliveries:info": "webhook_deliveries:info",
        "webhooks:deliveries:retry": "webhook_deliveries:retry",
        "webhooks:events": "webhook_deliveries:events",
        "webhooks:events:info": "webhook_deliveries:event_info",
    },
    "Other clients": {
        "env": "heroku:env",
        "cli-proxy": "cli_proxy:cli_proxy",
        "completion": "completion:completion",
    },
    "Providers": {
        "provider:init": "provider_init:init",
        "provider:test": "provider_test:provider_test",
        "provider:proxy": "provider_proxy:provider_proxy",
        "provider:certify": "provider_certify:certify",
        "provider:verify": "provider_certify:verify",
        "provider:serve": "provider_serve:provider_serve",
        "provider:manifest:push": "provider_manifests:push",
        "provider:manifest:pull": "provider_manifests:pull",
        "provider:manifest:diff": "provider_manifests:diff",
        "provider:manifest:versions": "provider_manifests:versions",
        "provider:rotate-secret": "provider_secrets:rotate",
        "provider:client-secret": "provider_secrets:client_secret",
        "provider:listing": "provider_listings:listing",
        "provider:review": "provider_listings:review",
        "provider:badge": "provider_listings:badge",
        "provider:canary": "provider_canary:canary",
        "provider:sunset": "provider_listings:sunset",
        "provider:statement": "payouts:statement",
        "provider:payouts": "payouts:provider_payouts",
        "provider:members": "provider_people:members",
        "provider:members:set": "provider_people:set_member",
        "provider:members:remove": "provider_people:remove_member",
        "provider:entitlements": "provider_people:entitlements",
        "provider:entitle": "provider_people:entitle",
        "provider:entitle:revoke": "provider_people:revoke",
    },
    "Operating": {
        "clock": "clock:show",
        "clock:advance": "clock:advance",
        "audit": "audit:show",
        "audit:export": "audit:export",
        "audit:verify": "audit:verify",
        "orphans": "orphans:list_",
        "orphans:retry": "orphans:retry",
        "orphans:resolve": "orphans:resolve",
        "addons:forget": "orphans:forget",
        "reconcile": "reconcile:reconcile",
        "addons:suspend": "dunning:suspend",
        "addons:resume": "dunning:resume",
        "billing:delinquent": "dunning:delinquent",
        "invoices:dispute": "dunning:dispute",
        "invoices:undispute": "dunning:undispute",
        "billing:close": "bookkeeping:close",
        "billing:check": "bookkeeping:check",
        "billing:credit": "bookkeeping:credit",
        "billing:receive": "receipts:receive",
        "billing:export": "bookkeeping:export",
        "billing:verify": "payment_keeping:verify",
        "payments:record": "payment_keeping:record",
        "payments:refund": "payment_keeping:refund",
        "invoices:credit-note": "bookkeeping:credit_note",
        "accounts:invite": "people:invite",
        "mails": "notices:mails",
        "mails:show": "notices:show",
        "payouts": "payouts:list_",
        "payouts:run": "payouts:run",
        "payouts:approve": "payouts:approve",
        "payouts:export": "payouts:export",
        "payouts:mark-paid": "payouts:mark_paid",
        "payouts:fail": "payouts:fail",
        "services:share": "payouts:share",
        "services:reviews": "service_reviews:reviews",
        "services:approve": "service_reviews:approve",
        "services:refuse": "service_reviews:refuse",
        "services:shutdown": "service_reviews:shutdown",
    },
    "Running a broker": {
        "up": "server:up",
        "serve": "server:serve",
        "worker": "server:worker",
        "canary": "server:canary",
        "migrate": "server:migrate",
        "settings": "server:settings",
        "secrets:rotate": "server:rotate",
        "backup": "backup:backup",
        "restore": "backup:restore",
    },
}
"""Topic → command → `module:function` below broker.cli."""

ALIASES = {
    "auth:login": "login",
    "auth:logout": "logout",
    "auth:whoami": "whoami",
    "authorizations:destroy": "authorizations:revoke",
    "apps:list": "apps",
    "create": "apps:create",
    "info": "apps:info",
    "rename": "apps:rename",
    "destroy": "apps:destroy",
    "apps:delete": "apps:destroy",
    "apps:transfers": "transfers",
    "addons:transfers": "transfers",
    "apps:transfers:accept": "transfers:accept",
    "apps:transfers:decline": "transfers:decline",
    "leave": "apps:leave",
    "sharing": "access",
    "sharing:add": "access:add",
    "sharing:remove": "access:remove",
    "addons:list": "addons",
    "addons:add": "addons:create",
    "addons:downgrade": "addons:upgrade",
    "addons:change": "addons:upgrade",
    "addons:remove": "addons:destroy",
    "manifest:push": "provider:manifest:push",
    "manifest:pull": "provider:manifest:pull",
    "manifest:diff": "provider:manifest:diff",
    "manifest:versions": "provider:manifest:versions",
    "provider:submit": "provider:review",
    "services:sunset": "provider:sunset",
    "set": "config:set",
    "unset": "config:unset",
    "config:add": "config:set",
    "config:remove": "config:unset",
    "rollback": "releases:rollback",
}

COMMANDS = {name: target for commands in TOPICS.values() for name, target in commands.items()}


def load(name: str) -> click.Command:
    """The command object behind a name that is in the table."""
    module, _, attribute = COMMANDS[name].partition(":")
    command: click.Command = getattr(import_module(f"broker.cli.{module}"), attribute)
    command.name = name
    return command


class Commands(click.Group):
    """The group of all commands; imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = ALIASES.get(cmd_name, cmd_name)
        return load(name) if name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:  # fmt: skip
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            raise click.UsageError(unknown(name), ctx)
        _, command, rest = super().resolve_command(ctx, args)
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for topic, commands in TOPICS.items():
            with formatter.section(topic):
                formatter.write_dl([(name, load(name).get_short_help_str(90)) for name in commands])
        with formatter.section("Short names"):
            formatter.write_text(", ".join(f"{alias} = {name}" for alias, name in ALIASES.items()))


def unknown(name: str) -> str:
    """The sentence about a command that there is not, with the nearest ones that there are."""
    near = get_close_matches(name, [*COMMANDS, *ALIASES], n=3, cutoff=0.6)
    near += [other for other in COMMANDS if other.startswith(f"{name}:") and other not in near][:3]
    suggestion = f" Did you mean {' or '.join(near)}?" if near else " `broker` lists all commands."
    return f"{clean(name)} is no command of broker.{suggestion}"


def _show_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"broker {version('addon-broker')}")
        ctx.exit()


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="Every command has --help, and --json where it has anything to tell a program.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Add-ons for your apps: databases, Redis, mail and more from one marketplace.

    A first session: `broker login`, `broker apps:create intu-jokes`, `broker addons:create sendgrid --app intu-jokes`,
    `broker config --app intu-jokes`.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status; errors are told on standard error."""
    words = [*arguments[1:], "--help"] if arguments[:1] in (["help"], ("help",)) else list(arguments)
    try:
        with cli.make_context("broker", words) as context:
            outcome = cli.invoke(context)
        return outcome if isinstance(outcome, int) else Exit.OK
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        error.show()
        _hint_at_pass_through(error)
        return Exit.USAGE if isinstance(error, click.UsageError) else Exit.FAILED
    except CliError as error:
        _tell(error)
        return error.exit
    except (KeyboardInterrupt, click.Abort):
        note("\nInterrupted. An operation that had begun goes on in the broker.")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return _closed_pipe()


def _hint_at_pass_through(error: click.ClickException) -> None:
    """An option that `addons:create` does not know was probably meant for the add-on."""
    if isinstance(error, click.NoSuchOption) and error.ctx and error.ctx.command.name == "addons:create":
        note("Options for the add-on itself go after ` -- `: broker addons:create SERVICE --app APP -- --key value")


def _tell(error: CliError) -> None:
    prefix = "" if error.exit == Exit.INTERRUPTED else paint("Error: ", "red", err=True)
    note(prefix + clean(error.message))
    if error.hint:
        note(clean(error.hint))


def _closed_pipe() -> int:
    """The reader of our output has gone (`| head`): leave quietly, and let nothing be flushed to it later."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.OK


def complete_if_asked() -> None:
    """Answer a completion script, when it is one that calls, and leave."""
    import os

    instruction = os.environ.get("_BROKER_COMPLETE")
    if instruction:
        from broker.cli.completion import answer

        sys.exit(answer(cli, instruction))


def _write_utf8() -> None:
    """Config vars are UTF-8 whatever the locale says; a character that is none must not end in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def main() -> NoReturn:
    """Entry point of the `broker` program."""
    _write_utf8()
    complete_if_asked()
    sys.exit(run(sys.argv[1:]))
