"""How the Add-on Partner API names regions and apps, towards providers and in what they call. Pure."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

_REGIONS: Final = {
    "us": "us-east-1",
    "eu": "eu-west-1",
    "dublin": "eu-west-1",
    "frankfurt": "eu-central-1",
    "oregon": "us-west-2",
    "virginia": "us-east-1",
    "tokyo": "ap-northeast-1",
    "sydney": "ap-southeast-2",
    "singapore": "ap-southeast-1",
}
_HEROKU_ID: Final = re.compile(r"app([0-9]{1,39})@heroku\.com")


def region_name(region: str) -> str:
    """The long form that providers expect, such as `amazon-web-services::us-east-1`."""
    return f"amazon-web-services::{_REGIONS.get(region, region)}"


def heroku_id(app_id: UUID) -> str:
    """What version 1 knows an app by: its id as one number, so that no two apps share it."""
    return f"app{app_id.int}@heroku.com"


def app_of_heroku_id(text: str) -> UUID | None:
    """The app that is known by this, if it is such a name at all."""
    match = _HEROKU_ID.fullmatch(text)
    number = int(match[1]) if match else 1 << 128
    return UUID(int=number) if number < 1 << 128 else None


def callback_path(addon_id: UUID, is_v1: bool) -> str:
    """Where a provider is called back about an add-on, below the origin that it knows the marketplace by."""
    return f"/vendor/apps/{addon_id}" if is_v1 else f"/addons/{addon_id}"
