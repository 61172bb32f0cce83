"""provider:certify and provider:verify: a signed statement that a provider passed the test kit, and whether it holds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from broker.cli.errors import CliError, Exit, Misused
from broker.cli.kit_run import Wanted, show, tested
from broker.cli.manifest_files import default_file
from broker.cli.options import json_option
from broker.cli.output import card, clean, moment, note, say, say_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_file = click.Path(dir_okay=False, path_type=Path)


@click.command("provider:certify")
@click.argument("manifest", required=False, type=_file)
@click.option(
    "--key", "key_file", required=True, type=_file, help="PEM file of your Ed25519 key; made if there is none."
)
@click.option("--output", required=True, type=_file, help="Write the signed statement here.")
@click.option("--base-url", metavar="ORIGIN", help="Scheme, host and port instead of those in the manifest's URLs.")
@click.option(
    "--timeout", type=click.FloatRange(0.1), default=60.0, show_default=True, metavar="S",
    help="Seconds to wait for an answer, and for the end of what was accepted with 202.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Take warnings for failures.")
@json_option
def certify(
    manifest: Path | None,
    key_file: Path,
    output: Path,
    base_url: str | None,
    timeout: float,
    strict: bool,
    as_json: bool,
) -> int:
    """Run the whole test kit, and sign that the provider passed.

    Only a run of this very command is signed, never a report of somebody else. Nothing is written when a check failed.
    """
    from importlib.metadata import version

    from broker.testkit.results import GROUPS
    from broker.testkit.statement import public_text, sign, statement

    if not output.parent.is_dir():  # said before minutes are spent on what could not be kept
        raise Misused(f"{clean(output)} cannot be written: there is no such folder.")
    key = _key(key_file)
    outcome = tested(manifest or default_file(), Wanted(frozenset(GROUPS), timeout, ("127.0.0.1", 0), strict, base_url))
    if not outcome.report.conformant:
        show(outcome.report)
        note("Nothing was signed.")
        return Exit.FAILED
    content = statement(outcome.report, outcome.manifest, strict=strict, kit=version("addon-broker"))
    signed = sign(content, key)
    _write(output, signed)
    if as_json:
        say_json(signed)
    else:
        say(f"{output}: {_sentence(content)}")
        say(f"Signed with the key {public_text(key.public_key())}")
    return Exit.OK


@click.command("provider:verify")
@click.argument("statement_file", metavar="STATEMENT", type=_file)
@click.option("--key", "keys", multiple=True, required=True, metavar="KEY", help="A public key that you trust, as provider:certify prints it.")  # fmt: skip
@click.option("--manifest", type=_file, help="Also check that the statement is about this manifest.")
@json_option
def verify(statement_file: Path, keys: tuple[str, ...], manifest: Path | None, as_json: bool) -> None:
    """Check a statement of provider:certify: who signed it, and what it says."""
    from broker.testkit.statement import NotCertain, manifest_digest
    from broker.testkit.statement import verify as verified

    try:
        content = verified(_read(statement_file), keys)
        if manifest is not None and manifest_digest(_object(manifest)) != content.get("manifest_sha256"):
            raise NotCertain("It is about another manifest, or another version of this one.")
    except NotCertain as error:
        raise CliError(f"{statement_file} does not hold. {error}") from None
    if as_json:
        say_json(content)
        return
    say(_sentence(content))
    say(card({"Signed": moment(str(content.get("at"))), "Kit": content.get("kit"), "Strict": content.get("strict")}))


def _sentence(content: dict[str, Any]) -> str:
    numbers = content.get("summary") or {}
    return clean(f"{content.get('service')} passed {numbers.get('passed')} checks, {numbers.get('warned')} warned.")


def _read(file: Path) -> object:
    from broker.testkit.subject import Unusable, read

    try:
        return read(file)
    except Unusable as error:
        raise Misused(str(error)) from None


def _object(file: Path) -> dict[str, Any]:
    data = _read(file)
    if not isinstance(data, dict):
        raise Misused(f"{file} is no manifest.")
    return data


def _key(file: Path) -> Ed25519PrivateKey:
    """The private key in the file, which is made for its owner alone when it is not there."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        if not file.exists():
            _make(file)
        key = load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        raise Misused(f"{file} cannot be used: {error.strerror}.") from None
    except (ValueError, TypeError):
        raise Misused(f"{file} is no PEM file of a private key without a passphrase.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Misused(f"{file} holds a key of another kind: it must be Ed25519.")
    return key


def _make(file: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(pem)
    note(f"A new key was made: {file}. Keep it; who has it signs in your name.")


def _write(output: Path, signed: dict[str, Any]) -> None:
    try:
        output.write_text(json.dumps(signed, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise CliError(f"{output} cannot be written: {error.strerror}.") from None
