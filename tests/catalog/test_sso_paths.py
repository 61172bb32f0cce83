"""A path of a link can lead to nowhere but below what the service allows, on the provider's own host."""

from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.catalog.faults import ManifestFaults
from broker.catalog.manifest import parse
from broker.catalog.manifest_sign_on import SignOnMode, SignOnRules
from broker.catalog.sso_paths import is_below, path_complaint
from tests.addons.conftest import MANIFEST


@pytest.mark.parametrize(
    "path",
    ["/", "/invoices", "/invoices/2026-11/", "/logs?level=error&from=/x?", "/a:b@c", "/caf%C3%A9", "/a%20b", "/..."],
)
def test_a_path_with_or_without_a_query_is_one(path: str) -> None:
    assert path_complaint(path) is None


@pytest.mark.parametrize(
    "path",
    ["", "invoices", "//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "/a//b", "/..",
     "/a/../b", "/./a", "/a/.", "/%2e%2e/a", "/%2E/a", "/a%2fb", "/a%5cb", "/a%00", "/a%0d%0aX", "/a\r\nX: y", "/a b",
     "/a\tb", "/a#b", "/%", "/a%2", "/a?b=%zz", "/%252e%252e", "javascript:alert(1)", "/é", "/" + "a" * 500, "/a?\0",
     "?a", "/a?b\\c"],
)  # fmt: skip
def test_what_could_lead_elsewhere_is_no_path(path: str) -> None:
    assert path_complaint(path) is not None


@given(st.text(st.sampled_from("/.\\%25efcC0:@?#ab \n\t"), max_size=12))
def test_whatever_passes_stays_on_the_host_it_is_put_behind(text: str) -> None:
    if path_complaint(text) is None:
        joined = urlsplit(urljoin("https://provider.example/dashboard", text))
        assert (joined.scheme, joined.netloc) == ("https", "provider.example")
        assert joined.path == text.partition("?")[0]


def test_a_path_is_allowed_with_all_below_it_and_nothing_beside_it() -> None:
    allowed = ["/invoices", "/logs/"]
    assert all(is_below(path, allowed) for path in ("/invoices", "/invoices/7", "/invoices?x=/", "/logs/", "/logs/1"))
    assert not any(is_below(path, allowed) for path in ("/", "/invoicesx", "/inv", "/settings", "/?/invoices", "/logs"))
    assert is_below("/anything?at=all", ["/"])
    assert not is_below("/", [])


def parsed(**api: Any) -> SignOnRules:
    return parse({**MANIFEST, "api": {**MANIFEST["api"], **api}}).sign_on


def test_a_manifest_that_says_nothing_has_the_form_and_no_links() -> None:
    assert parsed() == SignOnRules(SignOnMode.FORM, (), ())


def test_a_manifest_declares_paths_and_the_way_of_signing_on() -> None:
    rules = parsed(sso="oidc", sso_paths=["/invoices"], sso_redirect_uris=["https://store.example.com/callback"])
    assert rules == SignOnRules(SignOnMode.OIDC, ("/invoices",), ("https://store.example.com/callback",))


@pytest.mark.parametrize(
    ("api", "place"),
    [
        ({"sso": "saml"}, "/api/sso"),
        ({"sso": "oidc"}, "/api/sso_redirect_uris"),
        ({"sso": "oidc", "sso_redirect_uris": ["https://a.example/b"], "production": "https://a.example"}, "/api/sso"),
        ({"sso_redirect_uris": ["http://a.example/b"]}, "/api/sso_redirect_uris/0"),
        ({"sso_redirect_uris": ["https://a.example/b#c"]}, "/api/sso_redirect_uris/0"),
        ({"sso_paths": ["/ok", "/../up"]}, "/api/sso_paths/1"),
        ({"sso_paths": ["https://evil.example"]}, "/api/sso_paths/0"),
        ({"sso_paths": ["/a?b"]}, "/api/sso_paths/0"),
        ({"sso_paths": "/a"}, "/api/sso_paths"),
    ],
)
def test_faults_of_the_manifest_are_told_with_their_place(api: dict[str, Any], place: str) -> None:
    with pytest.raises(ManifestFaults) as faults:
        parsed(**api)
    assert place in [fault.path for fault in faults.value.faults]
