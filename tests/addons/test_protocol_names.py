from uuid import UUID, uuid4

import pytest

from broker.addons.protocol_names import app_of_heroku_id, heroku_id, region_name


def test_known_regions_have_long_names_and_others_pass_through() -> None:
    assert region_name("us") == "amazon-web-services::us-east-1"
    assert region_name("mars") == "amazon-web-services::mars"


@pytest.mark.parametrize("app_id", [UUID(int=0), UUID(int=(1 << 128) - 1), uuid4()])
def test_an_app_is_found_by_what_version_1_knows_it_by(app_id: UUID) -> None:
    assert app_of_heroku_id(heroku_id(app_id)) == app_id


@pytest.mark.parametrize(
    "text", ["", "app@heroku.com", "app1@heroku.com.evil", "app1", f"app{1 << 128}@heroku.com", "app٣@heroku.com"]
)
def test_what_is_no_such_name_finds_nothing(text: str) -> None:
    assert app_of_heroku_id(text) is None
