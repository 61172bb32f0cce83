"""Names: of add-ons, of attachments, and of the config vars that an attachment gives. Pure."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from broker.kernel.errors import InvalidParams

ADDON_PATTERN: Final = "[a-zA-Z][A-Za-z0-9_-]{0,254}[A-Za-z0-9_]"
ATTACHMENT_PATTERN: Final = "[A-Za-z][A-Za-z0-9_-]{0,127}"
"""As users may write it; it is stored in capitals."""
_ADDON_NAME: Final = re.compile(ADDON_PATTERN)
_ATTACHMENT_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,127}")
_SHAPES: Final = (
    "angular arched bright broad calm clear compact curly curved deep early even fluffy gentle golden grand hollow keen"
    " level lively lucid mellow modest narrow neat nimble open patient plain polished proud quick quiet ready round rugged"
    " sharp silent smooth solid sound square steady subtle sunny swift tall tidy upright vivid warm wide wise"
).split()
COLOURS: Final = (
    "AMBER AQUA BLACK BLUE BRONZE BROWN CHARCOAL COBALT COPPER CORAL CRIMSON CYAN GOLD GRAY GREEN INDIGO IVORY JADE"
    " MAROON MAUVE NAVY OLIVE ONYX ORANGE PEACH PINK PLUM PUCE PURPLE RED ROSE RUBY SAFFRON SILVER TAN TEAL VIOLET"
    " WHITE YELLOW"
).split()


def config_var_name(declared: str, prefix: str, attachment: str) -> str:
    """What the manifest's var is called under an attachment: the prefix gives way to the attachment's name."""
    return attachment + "_" + declared.removeprefix(prefix + "_")


def config_var_names(declared: Iterable[str], prefix: str, attachment: str) -> list[str]:
    """All of them, in the manifest's order."""
    return [config_var_name(name, prefix, attachment) for name in declared]


def checked_addon_name(name: str) -> str:
    """The name, if an add-on may have it.

    Raises: InvalidParams.
    """
    if not _ADDON_NAME.fullmatch(name):
        raise InvalidParams(
            "name: must begin with a letter, have 2 to 256 letters, digits, hyphens or underscores, and not end in a hyphen."
        )
    return name


def checked_attachment_name(name: str) -> str:
    """The attachment name in capitals, hyphens as underscores.

    Raises: InvalidParams.
    """
    upper = name.upper().replace("-", "_")
    if not name.isascii() or not _ATTACHMENT_NAME.fullmatch(upper):  # capitals of ß are SS
        raise InvalidParams("attachment name: must begin with a letter and have only letters, digits and underscores.")
    return upper


def automatic_addon_name(service: str, chance: random.Random) -> str:
    """Such as `postgres-curved-12345`. Random, not reserved: the caller tries again when it is taken."""
    base = service if _ADDON_NAME.fullmatch(service) else "addon"
    return f"{base}-{chance.choice(_SHAPES)}-{chance.randrange(10_000, 100_000)}"


def automatic_attachment_name(
    prefix: str,
    declared: Collection[str],
    taken_names: Collection[str],
    taken_vars: Collection[str],
    chance: random.Random,
) -> str:
    """The prefix itself, else the prefix with a colour, such that neither the name nor any config var is in use."""
    for name in _candidates(prefix, chance):
        if name not in taken_names and not set(config_var_names(declared, prefix, name)) & set(taken_vars):
            return name
    raise InvalidParams("No automatic attachment name is free; choose one with --as.")


def _candidates(prefix: str, chance: random.Random) -> Iterator[str]:
    yield prefix
    yield from (f"{prefix}_{colour}" for colour in chance.sample(COLOURS, len(COLOURS)))
    yield from (f"{prefix}_{chance.choice(COLOURS)}_{chance.randrange(100, 1000)}" for _ in range(20))
