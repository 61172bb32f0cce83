"""What goes beyond what: scopes and apps, narrowed and never widened."""

import itertools
from uuid import UUID

import pytest

from broker.kernel.context import Scope
from broker.oauth.scopes import SENTENCES, Reach, UnknownScope, limited, parsed

SHOP, BLOG = UUID(int=1), UUID(int=2)


def test_what_is_parsed_is_spelled_the_same_again() -> None:
    text = f"read openid app:{SHOP} app:{BLOG}"
    assert parsed(text).text() == text
    assert parsed(parsed(text).text()) == parsed(text)
    assert parsed(f"app:{BLOG}  openid read app:{SHOP} read") == parsed(text)
    assert parsed(None) == parsed("") == Reach(("identity",))


@pytest.mark.parametrize(
    "text", ["admin", "read admin", "READ", "app:1", f"app:{SHOP}", f"read app:{SHOP}x", "read app:", "read " * 1001]
)
def test_what_means_nothing_is_no_scope(text: str) -> None:
    with pytest.raises(UnknownScope):
        parsed(text)


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        ("global", "write-protected", True),
        ("global", "read", True),
        ("global", "openid", False),
        ("write-protected", "global", False),
        ("write-protected", "read-protected", True),
        ("write", "read-protected", False),
        ("read", "identity", True),
        ("identity", "read", False),
        ("openid email", "openid", True),
        ("openid", "openid email", False),
        ("identity", "email", False),
        ("read", f"read app:{SHOP}", True),
        (f"read app:{SHOP}", "read", False),
        (f"read app:{SHOP}", f"read app:{SHOP}", True),
        (f"read app:{SHOP}", f"read app:{BLOG}", False),
        (f"read app:{SHOP} app:{BLOG}", f"read app:{BLOG}", True),
        (f"write-protected app:{SHOP}", f"global app:{SHOP}", True),
    ],
)
def test_one_covers_another(wide: str, narrow: str, covered: bool) -> None:
    assert parsed(wide).covers(parsed(narrow)) is covered


def test_to_cover_is_an_order() -> None:
    apps = (None, {SHOP}, {SHOP, BLOG})
    some = [limited([name], app) for name, app in itertools.product(SENTENCES, apps)]
    for a, b, c in itertools.product(some, repeat=3):
        if a.covers(b) and b.covers(c):
            assert a.covers(c)
    assert all(reach.covers(reach) for reach in some)


def test_the_whole_account_on_single_apps_is_everything_on_them() -> None:
    reach = limited([Scope.GLOBAL, "email"], [SHOP])
    assert reach == Reach(("write-protected", "email"), frozenset({SHOP}))
    assert parsed("read").within(reach).only_apps == {SHOP}
    assert parsed(f"read app:{BLOG}").within(reach).only_apps == {BLOG}
