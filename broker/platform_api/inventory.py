"""Regions and stacks: what clients offer to choose from."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request

from broker.apps.create import DEFAULT_STACK
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.kernel.context import Scope
from broker.kernel.errors import NotFound
from broker.platform_api import serialize, shapes
from broker.platform_api.deps import CurrentActor
from broker.platform_api.describe import REFUSED, gives

router = APIRouter(tags=["inventory"], responses=REFUSED)

_SINCE: Final = "2026-01-01T00:00:00Z"
_REGIONS: Final[tuple[shapes.Region, ...]] = tuple(
    {
        **serialize.named(name),
        "description": description,
        "country": country,
        "locale": description,
        "private_capable": False,
        "provider": {"name": "self-hosted", "region": name},
        "created_at": _SINCE,
        "updated_at": _SINCE,
    }
    for name, description, country in (("us", "United States", "United States"), ("eu", "Europe", "Ireland"))
)
_STACK: Final[shapes.Stack] = {
    **serialize.named(DEFAULT_STACK),
    "default": True,
    "state": "public",
    "created_at": _SINCE,
    "updated_at": _SINCE,
}


def region_name(key: str | None) -> str | None:
    """The name of the region that is named by id; names stay as they are."""
    return next((region["name"] for region in _REGIONS if region["id"] == key), key)


@router.get("/regions", responses=gives(shapes.Region, many=True))
async def regions(request: Request, actor: CurrentActor) -> Answer:
    """Where apps and add-ons can be."""
    actor.require(Scope.IDENTITY)
    return page(request, _REGIONS)


@router.get("/regions/{region}", responses=gives(shapes.Region))
async def region(actor: CurrentActor, region: str) -> Answer:
    """One region by name or id."""
    actor.require(Scope.IDENTITY)
    for item in _REGIONS:
        if region in (item["id"], item["name"]):
            return Answer(item)
    raise NotFound("region")


@router.get("/stacks", responses=gives(shapes.Stack, many=True))
async def stacks(request: Request, actor: CurrentActor) -> Answer:
    """The stacks that clients offer. Others are accepted as well: nothing is built here."""
    actor.require(Scope.IDENTITY)
    return page(request, [_STACK])


@router.get("/stacks/{stack}", responses=gives(shapes.Stack))
async def stack(actor: CurrentActor, stack: str) -> Answer:
    """One stack by name or id."""
    actor.require(Scope.IDENTITY)
    if stack in (_STACK["id"], _STACK["name"]):
        return Answer(_STACK)
    raise NotFound("stack")
