"""Parsing: what is accepted, and that every fault is reported with its place."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.catalog.faults import ManifestFaults
from broker.catalog.manifest import Manifest, UrlStyle, parse
from broker.kernel.secret import Secret
from tests.catalog.samples import TEMPLATES, cache_api, cache_manifest, parsed, plans, rendered_template

LOOPBACK = {"base_url": "http://127.0.0.1:4567/heroku/resources", "sso_url": "http://127.0.0.1:4567/sso"}


def faults(data: object, **options: bool) -> dict[str, str]:
    """The faults of a manifest, message by path."""
    with pytest.raises(ManifestFaults) as caught:
        parse(data, **options)
    return {fault.path: fault.message for fault in caught.value.faults}


def api_faults(**changes: Any) -> dict[str, str]:
    return faults(cache_manifest(api=cache_api(**changes)))


def test_a_manifest_of_version_3_is_read_whole() -> None:
    manifest = parsed()
    assert (manifest.id, manifest.name, manifest.api_version) == ("acme-cache", "Acme Cache", "3")
    assert manifest.password == Secret("canary-password-0123456789")
    assert (manifest.url_style, manifest.base_url) == (UrlStyle.OBJECT, "https://acme.example.com/resources")
    assert (manifest.prefix, manifest.config_vars) == ("ACME_CACHE", ("ACME_CACHE_URL", "ACME_CACHE_PASSWORD"))
    assert manifest.plans[0].features == (("Memory", "25 MB"), ("Backups", "no"))
    assert (manifest.plans[0].human_name, manifest.plans[1].price_cents) == ("Mini", 1250)


@pytest.mark.parametrize("slug", ["postgres", "redis", "mail", "sendgrid"])
def test_every_template_is_a_manifest_once_it_is_rendered(slug: str) -> None:
    manifest = parse(rendered_template(slug), allow_insecure=True)
    assert manifest.id == slug
    assert [plan.price_cents for plan in manifest.plans if plan.is_default] == [0]
    assert manifest.listing.docs


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.json")), ids=lambda path: path.stem)
def test_no_template_holds_a_secret_or_an_address(path: Any) -> None:
    assert not {"password", "sso_salt", "production", "test"} & json.loads(path.read_text())["api"].keys()


def test_without_a_version_it_is_the_oldest_protocol() -> None:
    api = cache_api()
    del api["version"]
    assert parsed(api=api).api_version == "1"


@pytest.mark.parametrize("version", [3, "2", True, ["3"], 3.0])
def test_another_version_is_refused(version: object) -> None:
    assert '"3"' in api_faults(version=version)["/api/version"]


def test_the_oldest_form_of_the_url_is_a_root_with_the_fixed_path_for_sign_on() -> None:
    manifest = parsed(api=cache_api(production="https://acme.example.com/"))
    assert manifest.url_style is UrlStyle.ROOT
    assert manifest.base_url == "https://acme.example.com"
    assert manifest.sso_url == "https://acme.example.com/heroku/resources"


def test_the_test_urls_serve_when_there_are_no_others() -> None:
    api = cache_api(test=LOOPBACK, production=None)
    assert parse(cache_manifest(api=api), allow_insecure=True).base_url == LOOPBACK["base_url"]
    assert "https://" in faults(cache_manifest(api=api))["/api/test/base_url"]


def test_unused_test_urls_are_not_looked_at() -> None:
    assert parsed(api=cache_api(test=LOOPBACK)).base_url == "https://acme.example.com/resources"


@pytest.mark.parametrize("host", ["127.0.0.1:7101", "[::1]:7101", "localhost:7101", "127.8.8.8"])
def test_plain_http_is_for_loopback_in_development(host: str) -> None:
    api = cache_api(production={"base_url": f"http://{host}/resources"})
    assert parse(cache_manifest(api=api), allow_insecure=True).base_url.startswith("http://")
    assert "/api/production/base_url" in faults(cache_manifest(api=api))


@pytest.mark.parametrize(
    "url",
    [
        "http://acme.example.com/resources",
        "http://127.0.0.1.example.com/",
        "http://2130706433/",
        "ftp://acme.example.com/",
        "//acme.example.com/",
        "/resources",
        "https://",
        "https://user:secret@acme.example.com/",
        "https://acme.example.com/#fragment",
        "https://acme.example.com/?query=1",
        "https://acme.example.com:port/",
        "https://acme.example.com:99999/",
        "https://[::1/",
        "https://acme.example.com/a b",
        "https://acme.example.com/\x00",
        "",
        "https://acme.example.com/" + "a" * 2000,
        17,
    ],
)
def test_an_unusable_base_url_is_refused(url: object) -> None:
    api = cache_api(production={"base_url": url})
    assert list(faults(cache_manifest(api=api), allow_insecure=True)) == ["/api/production/base_url"]


def test_every_fault_is_reported_at_once_and_in_the_message() -> None:
    data = {
        "id": "Acme Cache",
        "$base": "seven",
        "api": {
            "version": "4",
            "config_vars": ["URL"],
            "requires": ["free_lunch"],
            "regions": ["mars"],
            "username": "u",
        },
        "listing": {"docs_url": "javascript:alert(1)", "support_email": "nobody", "tags": "sql"},
        "capabilities": ["fly"],
        "plans": [{"name": "a b", "price_cents": -1}, {"price_cents": 1.5, "state": "secret"}, "mini"],
    }
    with pytest.raises(ManifestFaults) as caught:
        parse(data)
    found = {fault.path for fault in caught.value.faults}
    expected = """/id /name /$base /api/version /api/password /api/config_vars /api/requires /api/regions /api/username
        /api/production /listing/docs_url /listing/support_email /listing/tags /capabilities /plans/0/name
        /plans/0/price_cents /plans/1/name /plans/1/price_cents /plans/1/state /plans/2"""
    assert found == set(expected.split())
    assert all(f"{path}: " in caught.value.message for path in found)
    assert len(caught.value.fields["faults"]) == len(caught.value.faults)


def test_no_fault_quotes_a_secret() -> None:
    secret = "canary\x00secret"
    with pytest.raises(ManifestFaults) as caught:
        parse(
            cache_manifest(api=cache_api(password=secret, sso_salt=secret, production=f"https://u:{secret}@a.example/"))
        )
    assert "canary" not in caught.value.message + repr(caught.value.fields)


def test_unknown_members_and_nulls_are_passed_over() -> None:
    api = cache_api(sso_salt=None, colour="blue")
    manifest = parsed(api=api, cli_plugin_name=None, **{"$base": 518, "x": [1, {}]})
    assert (manifest.base, manifest.sso_salt) == (518, None)


def test_the_features_a_service_requires_may_stand_at_the_top_as_they_once_did() -> None:
    api = cache_api()
    del api["requires"]
    assert parsed(api=api, requires=["many_per_app"]).requires == ("many_per_app",)


@pytest.mark.parametrize("name", ["ACME_CACHE", "ACME_CACHE_", "OTHER_URL", "acme_cache_url", "ACME_CACHE_Ü", 7, None])
def test_a_config_var_needs_the_prefix_and_a_legal_name(name: object) -> None:
    assert any(path.startswith("/api/config_vars") for path in api_faults(config_vars=[name]))


def test_a_repeated_config_var_is_refused() -> None:
    assert "repeats" in api_faults(config_vars=["ACME_CACHE_URL", "ACME_CACHE_URL"])["/api/config_vars/1"]


def test_a_prefix_of_its_own_replaces_the_slug() -> None:
    manifest = parsed(api=cache_api(config_vars_prefix="DATABASE", config_vars=["DATABASE_URL"]))
    assert manifest.prefix == "DATABASE"


def test_a_root_url_takes_no_query() -> None:
    assert "query" in api_faults(production="https://acme.example.com?x=1")["/api/production"]


@pytest.mark.parametrize("regions", [None, [], "us", ["us", "us"], ["US"], [1]])
def test_regions_are_needed_and_known(regions: object) -> None:
    assert any(path.startswith("/api/regions") for path in api_faults(regions=regions))


@pytest.mark.parametrize("slug", ["Acme", "acme cache", "-acme", "acme-", "acme:mini", "a" * 64, "", 7, str("0" * 8 + "-0000" * 3 + "-" + "0" * 12)])  # fmt: skip
def test_an_unfit_slug_is_refused(slug: object) -> None:
    prefix = cache_api(config_vars_prefix="ACME_CACHE")
    assert list(faults(cache_manifest(id=slug, api=prefix))) == ["/id"]


def test_without_plans_there_is_the_free_plan_test() -> None:
    manifest = cache_manifest()
    del manifest["plans"]
    (plan,) = parse(manifest).plans
    assert (plan.slug, plan.price_cents, plan.is_default, plan.regions) == ("test", 0, True, ("us", "eu"))


@pytest.mark.parametrize(
    ("declared", "default"),
    [
        ([{"name": "a", "price_cents": 1}, {"name": "b", "price_cents": 0}], "b"),
        ([{"name": "a", "price_cents": 1}, {"name": "b", "price_cents": 2}], "a"),
        ([{"name": "a", "price_cents": 0}, {"name": "b", "price_cents": 2, "default": True}], "b"),
        ([{"name": "a", "price_cents": 0, "state": "hidden"}, {"name": "b", "price_cents": 2}], "b"),
        ([{"name": "a", "price_cents": 0, "state": "invite"}], None),
    ],
)
def test_the_marked_plan_is_the_default_else_the_first_free_one_else_the_first(declared: Any, default: object) -> None:
    assert next((plan.slug for plan in parsed(plans=declared).plans if plan.is_default), None) == default


@pytest.mark.parametrize(
    ("declared", "path"),
    [
        ([], "/plans"),
        ({}, "/plans"),
        (plans("a", "b", default=True), "/plans/1/default"),
        (plans("a", default=True, state="hidden"), "/plans/0/default"),
        (plans("a", "a"), "/plans/1/name"),
        ([{"name": "a"}], "/plans/0/price_cents"),
        ([{"name": "a", "price_cents": True}], "/plans/0/price_cents"),
        ([{"name": "a", "price_cents": 10**12}], "/plans/0/price_cents"),
        (plans("a", currency="USD"), "/plans/0/currency"),
        (plans("a", regions=["tokyo"]), "/plans/0/regions"),
        (plans("a", features=[]), "/plans/0/features"),
        (plans("a", features={"Disk/RAM": None, "X": []}), "/plans/0/features/X"),
        (plans("a", features={"a\nb": "1"}), "/plans/0/features/a?b"),
        (plans("a", features={str(n): "1" for n in range(50)}), "/plans/0/features"),
        (plans("a", options_schema={"type": "array"}), "/plans/0/options_schema"),
        (plans("a", options_schema={"x": "\x00"}), "/plans/0/options_schema"),
        (plans("a", options_schema={"x": "y" * 70_000}), "/plans/0/options_schema"),
        (plans("a", meters=[{"name": "rows"}, {"name": "rows"}]), "/plans/0/meters/1/name"),
        (plans("a", meters=[{"name": "rows", "max": float("inf")}]), "/plans/0/meters"),
        (plans("a", meters=[{"name": "rows"}]), "/capabilities"),
        (plans(*(f"p{n}" for n in range(101))), "/plans"),
    ],
)
def test_an_impossible_plan_is_refused(declared: object, path: str) -> None:
    assert path in faults(cache_manifest(plans=declared))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
MEMBERS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("id", "name", "$base", "listing", "requires", "plans"), JSON)
)
API = st.fixed_dictionaries({}, optional=dict.fromkeys(cache_api(), JSON) | {"test": JSON, "config_vars_prefix": JSON})
PLAN = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        "name human_name price_cents default state features regions options_schema meters currency".split(), JSON
    ),
)
LISTING = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("tagline", "docs", "docs_url", "tags", "support_email"), JSON)
)


@settings(max_examples=150, deadline=None)
@given(JSON | st.builds(lambda top, api, some, listing: cache_manifest(**{"listing": listing, "plans": some, **top, "api": cache_api(**api)}), MEMBERS, API, st.lists(PLAN, max_size=3), LISTING))  # fmt: skip
def test_whatever_json_arrives_parsing_answers_with_a_storable_manifest_or_faults(data: object) -> None:
    outcome = parsed_or_refused(data)
    if isinstance(outcome, ManifestFaults):
        assert outcome.faults
        assert outcome.message.encode()
    else:
        free_form = [[plan.features, plan.options_schema, plan.meters] for plan in outcome.plans]
        assert "\\u0000" not in json.dumps(free_form, allow_nan=False)
        assert repr(outcome).encode()


def parsed_or_refused(data: object) -> Manifest | ManifestFaults:
    try:
        return parse(data, allow_insecure=True)
    except ManifestFaults as refusal:
        return refusal
