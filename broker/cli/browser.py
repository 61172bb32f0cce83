"""Showing a web page: the address is printed, and opened when there is a person and a browser."""

from __future__ import annotations

import os
import sys

from broker.cli.output import clean, note, say


def show(url: str, what: str, *, only_print: bool = False) -> None:
    """Print the address and open it in the browser, unless only printing is wanted or nobody sits here."""
    say(clean(url))
    if only_print or not url.startswith(("http://", "https://")):
        return
    if not sys.stdout.isatty() and not os.environ.get("BROWSER"):
        return
    import webbrowser

    note(f"Opening {clean(what)} in your browser..." if webbrowser.open(url) else "Open this address in a browser.")
