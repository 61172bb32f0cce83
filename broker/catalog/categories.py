"""What kinds of add-ons there are. A listing says to which it belongs; the marketplace has a page for each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Category:
    """A shelf of the marketplace."""

    slug: str
    name: str
    sentence: str


CATEGORIES: Final = {
    slug: Category(slug, name, sentence)
    for slug, name, sentence in (
        ("data-stores", "Data Stores", "Databases that keep what your app must not lose."),
        ("caching", "Caching", "Memory next to your app, so that pages need not wait for the database."),
        ("search", "Search", "Full-text indexes that find what your users mean."),
        ("messaging", "Messaging and Queues", "Brokers that carry events between your processes."),
        ("workers", "Workers", "Background jobs and schedules, without a process of your own to look after."),
        ("email", "Email", "Sends the mail of your app, and shows what became of it."),
        ("mobile", "Mobile", "Push messages, SMS and what else reaches a phone."),
        ("logging", "Logging", "Collects log lines, keeps them and searches them."),
        ("monitoring", "Monitoring", "Tells you that something is wrong before your users do."),
        ("errors", "Errors", "Gathers exceptions with everything that is needed to mend them."),
        ("analytics", "Analytics", "Counts what happens in your app and draws what it means."),
        ("media", "Media", "Stores, resizes and plays pictures, sound and video."),
        ("documents", "Documents", "Makes and reads PDF files, sheets and forms."),
        ("content", "Content", "Content management: words and pictures that editors change without a deploy."),
        ("payments", "Payments", "Takes money, and gives it back."),
        ("security", "Security", "Scans, shields and signs; certificates and secrets."),
        ("identity", "Identity", "Signs your users in, with a second factor where it matters."),
        ("network", "Network", "Fixed addresses, proxies and domain names."),
        ("testing", "Testing", "Browsers, devices and load to try your app with."),
        ("development", "Development", "Builds, reviews and deploys what you write."),
        ("ai", "Machine Learning", "Models to ask, and stores for what they learn."),
        ("utilities", "Utilities", "Everything else that an app may want."),
    )
}
"""By slug, in the order in which they are shown."""
ELSEWHERE: Final = "utilities"
"""Where a listing is found that says nothing we know."""

_OTHER_WORDS: Final = {
    "databases": "data-stores", "database": "data-stores", "data-store": "data-stores", "datastores": "data-stores",
    "cache": "caching", "mail": "email", "email-sms": "email", "messaging-and-queueing": "messaging",
    "messaging-and-queues": "messaging", "queues": "messaging", "sms": "mobile", "mobile-apps": "mobile",
    "logs": "logging", "alerts-and-notifications": "monitoring", "errors-and-exceptions": "errors",
    "exceptions": "errors", "images": "media", "image-processing": "media", "video": "media", "video-processing": "media",
    "document-processing": "documents", "content-management": "content", "cms": "content", "user-management": "identity",
    "authentication": "identity", "network-services": "network", "networking": "network",
    "continuous-integration": "development", "development-tools": "development", "machine-learning": "ai",
    "data-store-utilities": "data-stores", "dynos": "workers", "utility": "utilities",
}  # fmt: skip
"""As manifests of other marketplaces put it."""


def category_slug(text: str) -> str | None:
    """The category that a manifest means by `Data Stores`, `data-stores` or `Databases`."""
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return slug if slug in CATEGORIES else _OTHER_WORDS.get(slug)


def shelves(categories: tuple[str, ...], category: str | None) -> tuple[str, ...]:
    """The categories of a listing, the first being the main one; never none."""
    said = (*categories, category) if category else categories
    known = (slug for text in said if (slug := category_slug(text)))
    return tuple(dict.fromkeys(known)) or (ELSEWHERE,)
