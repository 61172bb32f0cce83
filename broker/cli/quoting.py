"""What is typed for config vars and options, read. Environment files are `faces/env_text.py`'s. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_REFERENCE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")


def expand(argument: str, variables: Mapping[str, str]) -> str:
    """The argument with `$NAME` and `${NAME}` replaced, for names among the variables; others stay as they are."""

    def replace(match: re.Match[str]) -> str:
        return variables.get(match[1] or match[2], match[0])

    return _REFERENCE.sub(replace, argument)


def split_pass_through(words: Sequence[str]) -> dict[str, str | bool]:
    """Options for an add-on, as typed after `--`: `--key value`, `--key=value`, a bare `--flag` is True.

    Raises: ValueError for a word that belongs to no option.
    """
    options: dict[str, str | bool] = {}
    index = 0
    while index < len(words):
        word = words[index]
        if not word.startswith("--") or len(word) == 2:
            raise ValueError(f"{word!r} belongs to no option; options for the add-on look like --key value")
        key, equals, value = word[2:].partition("=")
        index += 1
        if equals:
            options[key] = value
        elif index < len(words) and not words[index].startswith("--"):
            options[key] = words[index]
            index += 1
        else:
            options[key] = True
    return options
