"""The manifest: what a partner declares of a service. Parsing is pure and reports every fault; storing is `publish.py`.

Source: the add-on manifest of Heroku's partner programme, with the extensions of docs/reference/manifest.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from broker.catalog.categories import CATEGORIES, category_slug
from broker.catalog.contents import Json, masked
from broker.catalog.faults import Fault, ManifestFaults
from broker.catalog.logos import LONGEST_TEXT, logo_complaint
from broker.catalog.manifest_plans import SLUG, PlanSpec, read_plans
from broker.catalog.manifest_sign_on import SignOnRules, read_sign_on
from broker.catalog.reading import Node, TextRule, json_complaint, url_complaint
from broker.kernel.ids import as_uuid
from broker.kernel.secret import Secret

MANY_PER_APP: Final = "many_per_app"
ATTACHABLE: Final = "attachable"
REQUIRES: Final = (MANY_PER_APP, ATTACHABLE, "syslog_drain", "log_input", "deploy_notify")
CAPABILITIES: Final = ("list", "rotate", "attachment_credentials", "fork", "usage")
REGIONS: Final = (
    "us", "eu", "dublin", "frankfurt", "oregon", "singapore", "sydney", "tokyo", "virginia", "*",
)  # fmt: skip
_MOST_CONFIG_VARS: Final = 64
_MOST_CATEGORIES: Final = 3
_LARGEST_BYTES: Final = 512 * 1024
_ROOT_PATH: Final = "/heroku/resources"

_LINE: Final = TextRule(100)
_SECRET: Final = TextRule(500)
_URL: Final = TextRule(2000, re.compile(r"\S+"), "a URL without blanks")
_MARKDOWN: Final = TextRule(100_000, lines=True)
_CONFIG_VAR: Final = TextRule(
    128, re.compile(r"[A-Z][0-9A-Z_]+"), "capital letters, digits and underscores, beginning with a letter"
)
_PREFIX: Final = TextRule(
    64, re.compile(r"[A-Z](?:[0-9A-Z_]*[0-9A-Z])?"), "capital letters, digits and inner underscores, letter first"
)
_EMAIL: Final = TextRule(254, re.compile(r"[^@\s]+@[^@\s]+"), "an e-mail address")
_NPM_NAME: Final = TextRule(214, re.compile(r"(@[a-z0-9._~-]+/)?[a-z0-9._~-]+"), "the name of an npm package")
_TAG: Final = TextRule(40)


class UrlStyle(StrEnum):
    """How the manifest gives its URLs, which decides how single sign-on is done."""

    OBJECT = "object"
    """`base_url` and `sso_url`, both used verbatim; sign-on by POST."""
    ROOT = "root"
    """The oldest form, one string: resources under `/heroku/resources`; sign-on by GET of the resource."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What the marketplace shows of a service besides its plans."""

    tagline: str | None = None
    description: str | None = None
    category: str | None = None
    """A single one in the provider's own words, as older manifests have it."""
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    logo_url: str | None = None
    logo: str | None = None
    """A data URL with the picture itself. In what is stored of a service only a mark, for it is kept apart."""
    docs: str | None = None
    docs_url: str | None = None
    support_email: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """A checked manifest. For `UrlStyle.ROOT`, `base_url` is that root and `sso_url` the address of the resources."""

    id: str
    name: str
    cli_plugin_name: str | None
    base: int | None
    """`$base`: the revision this manifest was derived from, if it says so."""
    api_version: str
    password: Secret
    sso_salt: Secret | None
    url_style: UrlStyle
    base_url: str
    sso_url: str | None
    sign_on: SignOnRules
    prefix: str
    config_vars: tuple[str, ...]
    requires: tuple[str, ...]
    capabilities: tuple[str, ...]
    regions: tuple[str, ...]
    listing: Listing
    plans: tuple[PlanSpec, ...]
    contents: Json = field(default_factory=dict)
    """The whole as it was written, with masks for the secrets in it: what a version keeps."""
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    """What the masks stand for, by JSON pointer."""


@dataclass(frozen=True, slots=True)
class _Urls:
    style: UrlStyle
    base_url: str
    sso_url: str | None


def parse(data: object, *, allow_insecure: bool = False) -> Manifest:
    """The manifest in decoded JSON. Unknown fields are ignored.

    `allow_insecure` admits plain http on loopback addresses, for development.

    Raises: ManifestFaults, with all faults.
    """
    if not isinstance(data, dict):
        raise ManifestFaults([Fault("", "must be a JSON object: see the reference of the manifest.")])
    faults: list[Fault] = []
    root = Node(data, "", faults)
    manifest = _manifest(root, root.node("api"), insecure=allow_insecure)
    if not faults and (complaint := json_complaint(data, _LARGEST_BYTES)):
        root.fault("", complaint)
    if faults or manifest is None:
        raise ManifestFaults(faults)
    contents, secrets = masked(data)
    return replace(manifest, contents=contents, secrets={path: Secret(text) for path, text in secrets.items()})


def default_prefix(service_id: str) -> str:
    """What config vars begin with when the manifest does not say."""
    return service_id.upper().replace("-", "_")


def _manifest(root: Node, api: Node | None, *, insecure: bool) -> Manifest | None:
    service_id = root.needed_text("id", SLUG, "add the slug that users will type, such as redis.")
    if as_uuid(service_id):
        root.fault("id", "looks like an id: choose a slug that no UUID can be taken for.")
    name = root.needed_text("name", _LINE, "add the name to show in the marketplace.")
    plugin = root.text("cli_plugin_name", _NPM_NAME)
    listing = _listing(root.node("listing"), insecure=insecure)
    base = root.whole("$base", 2**53)
    capabilities = _known(root, "capabilities", CAPABILITIES)
    if api is None:
        if not root.has("api"):
            root.fault("api", "is missing: add an object with password, config_vars, regions and production.")
        read_plans(root, ())
        return None
    regions = _regions(api)
    plans = read_plans(root, regions)
    if any(plan.meters for plan in plans) and "usage" not in capabilities:
        root.fault("capabilities", 'lacks "usage": add it, because plans have meters.')
    password, salt = _secrets(api)
    urls = _urls(api, insecure=insecure)
    prefix = _prefix(api, service_id)
    return Manifest(
        id=service_id,
        name=name,
        cli_plugin_name=plugin,
        base=base,
        api_version=_version(api),
        password=password,
        sso_salt=salt,
        url_style=urls.style,
        base_url=urls.base_url,
        sso_url=urls.sso_url,
        sign_on=read_sign_on(
            api, has_address=urls.style is UrlStyle.OBJECT and urls.sso_url is not None, insecure=insecure
        ),
        prefix=prefix,
        config_vars=_config_vars(api, prefix),
        # The oldest manifests have `requires` beside `api`.
        requires=_known(api if api.has("requires") else root, "requires", REQUIRES),
        capabilities=capabilities,
        regions=regions,
        listing=listing,
        plans=plans,
    )


def _version(api: Node) -> str:
    if not api.has("version"):
        return "1"
    version = api.raw("version")
    if version not in ("1", "3"):
        api.fault("version", 'must be the string "3" (or be left out for the oldest protocol).')
    return str(version)[:1]


def _secrets(api: Node) -> tuple[Secret, Secret | None]:
    password = api.needed_text("password", _SECRET, "add 32 random characters, and give the same to your program.")
    salt = api.text("sso_salt", _SECRET)
    if api.has("username"):
        api.fault("username", "is not used any more: remove it; the user name is the manifest's id.")
    return Secret(password), Secret(salt) if salt else None


def _prefix(api: Node, service_id: str) -> str:
    return api.text("config_vars_prefix", _PREFIX) or default_prefix(service_id)


def _config_vars(api: Node, prefix: str) -> tuple[str, ...]:
    if not api.has("config_vars"):
        api.fault("config_vars", "is missing: list the config vars that a resource gives (the list may be empty).")
    names = api.texts("config_vars", _CONFIG_VAR, _MOST_CONFIG_VARS)
    for name in names:
        if not name.startswith(f"{prefix}_") or name == f"{prefix}_":
            advice = f"must begin with {prefix}_ and go on: rename it or set config_vars_prefix."
            api.fault("config_vars", f'"{name}" {advice}')
    return names


def _regions(api: Node) -> tuple[str, ...]:
    if not api.has("regions") or api.raw("regions") == []:
        api.fault("regions", f"is missing: list one or more of {', '.join(REGIONS)}.")
    return _known(api, "regions", REGIONS)


def _known(node: Node, key: str, words: tuple[str, ...]) -> tuple[str, ...]:
    found = node.texts(key, _TAG, 2 * len(words))
    for word in found:
        if word not in words:
            node.fault(key, f'does not know "{word}": possible are {", ".join(words)}.')
    return found


def _urls(api: Node, *, insecure: bool) -> _Urls:
    # Only one of the two is used; the other is not looked at, because kensa fills in addresses of a developer's machine.
    key = "production" if api.has("production") or not api.has("test") else "test"
    if not api.has(key):
        api.fault(key, "is missing: add an object with base_url and sso_url.")
        return _Urls(UrlStyle.OBJECT, "", None)
    if isinstance(api.raw(key), str):
        root = (_url(api, key, insecure=insecure) or "").rstrip("/")
        if "?" in root:
            api.fault(key, "must not contain a query, because a path is appended: remove the ?.")
        return _Urls(UrlStyle.ROOT, root, root + _ROOT_PATH)
    urls = api.node(key)
    if urls is None:
        return _Urls(UrlStyle.OBJECT, "", None)
    if not urls.has("base_url"):
        urls.fault("base_url", "is missing: add the URL to which provision requests are POSTed.")
    base_url = _url(urls, "base_url", insecure=insecure) or ""
    if "?" in base_url:
        urls.fault("base_url", "must not contain a query, because the resource's id is appended: remove the ?.")
    return _Urls(UrlStyle.OBJECT, base_url, _url(urls, "sso_url", insecure=insecure))


def _url(node: Node, key: str, *, insecure: bool, anywhere: bool = False) -> str | None:
    url = node.text(key, _URL)
    complaint = url and url_complaint(url, insecure=insecure, insecure_anywhere=anywhere)
    if complaint:
        node.fault(key, complaint)
    return url


def _categories(node: Node) -> tuple[str, ...]:
    found = node.texts("categories", _TAG, _MOST_CATEGORIES)
    for word in found:
        if category_slug(word) is None:
            node.fault("categories", f'does not know "{word}": possible are {", ".join(CATEGORIES)}.')
    return found


def _logo(node: Node) -> str | None:
    text = node.text("logo", TextRule(LONGEST_TEXT))
    complaint = text and logo_complaint(text)
    if complaint:
        node.fault("logo", complaint)
    return text


def _listing(node: Node | None, *, insecure: bool) -> Listing:
    if node is None:
        return Listing()
    return Listing(
        tagline=node.text("tagline", TextRule(160)),
        description=node.text("description", _MARKDOWN),
        category=node.text("category", _TAG),
        categories=_categories(node),
        tags=node.texts("tags", _TAG, 20),
        logo_url=_url(node, "logo_url", insecure=insecure),
        logo=_logo(node),
        docs=node.text("docs", _MARKDOWN),
        docs_url=_url(node, "docs_url", insecure=insecure, anywhere=True),
        support_email=node.text("support_email", _EMAIL),
    )
