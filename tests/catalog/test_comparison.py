"""How two manifests differ, told without their secrets."""

from broker.catalog.comparison import Change, differences
from tests.addons.conftest import MANIFEST


def test_what_differs_is_told_by_its_place_and_plans_by_their_names() -> None:
    plans = MANIFEST["plans"]
    assert isinstance(plans, list)
    after = MANIFEST | {"name": "Shop", "plans": [{"name": "tiny"}, *plans[1:], {"name": "vast", "price_cents": 1}]}
    assert differences(MANIFEST, after) == (
        Change("/name", "Store", "Shop"),
        Change("/plans/tiny", None, '{"name": "tiny"}'),
        Change("/plans/vast", None, '{"name": "vast", "price_cents": 1}'),
        Change("/plans/free", '{"name": "free", "human_name": "Free", "price_cents": 0, "default": true}', None),
    )
    assert differences(MANIFEST | {"$base": 1}, MANIFEST | {"$base": 2}) == ()


def test_that_a_secret_differs_is_told_and_nothing_of_it() -> None:
    before = {"api": {"password": "old-secret", "regions": ["us"]}}
    after = {"api": {"password": "new-secret", "regions": ["us", "eu"], "sso_salt": "salted"}}
    changes = differences(before, after)
    assert [change.path for change in changes] == ["/api/regions", "/api/sso_salt", "/api/password"]
    assert changes[-1] == Change("/api/password", "***", "*** (another)")
    assert changes[1].after == "***"
    assert "secret" not in "".join(f"{change.before}{change.after}" for change in changes)
    (long,) = differences({"name": "x"}, {"name": "y" * 9999})
    assert len(long.after or "") < 500
