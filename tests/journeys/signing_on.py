"""What a browser does with the link of `addons:open`: posts the form of the page behind it, and follows to the dashboard."""

import re
from html import unescape

import httpx


def form_of(page: str) -> tuple[str, dict[str, str]]:
    """Where the sign-on page's form goes, and its fields."""
    action = re.search(r'<form[^>]* action="([^"]+)"', page)
    assert action, page
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return unescape(action[1]), {name: unescape(value) for name, value in fields}


def sign_on(browser: httpx.Client, link: str) -> httpx.Response:
    """The dashboard behind a link."""
    action, fields = form_of(browser.get(link).raise_for_status().text)
    return browser.post(action, data=fields, follow_redirects=True)
