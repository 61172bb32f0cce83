"""The partner's side of a listing: where it stands, its reviews and its end. Manifests have a registry of their own."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, Field

from broker.addons.sunset import announce_sunset, approve_review, shut_down
from broker.catalog.checklist import Point
from broker.catalog.conformance import record_conformance
from broker.catalog.listing import ListingView, get_listing, list_own
from broker.catalog.members import Role
from broker.catalog.review import ReviewView, list_pending, list_reviews, refuse, request_review
from broker.catalog.views import PlanView, ServiceView
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.kernel.clock import rfc3339
from broker.platform_api import listing_shapes, serialize
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(tags=["partners"], responses=REFUSED)


class RequestReviewBody(Body):
    """What speaks for it: the report of `broker provider:test --json`."""

    kit: dict[str, Any] | None = None


class ApproveBody(Body):
    """What the operator has checked by hand. With `override` and a `note`, points may be open."""

    checked: Annotated[list[Text], Field(max_length=20)] | None = None
    note: Text | None = None
    override: bool = False


class RefuseBody(Body):
    """Why not."""

    note: Text


class StatementBody(Body):
    """A signed statement of the provider test kit, as the kit writes it."""

    statement: dict[str, Any]
    signature: Text
    key: Text | None = None


class SunsetBody(Body):
    """When a service ends, and what its users move to: `service` or `service:plan`."""

    at: Annotated[AwareDatetime, Field(strict=False)]
    successor: Text | None = None


@router.get("/provider-services", responses=gives(listing_shapes.OwnService, many=True))
async def list_(request: Request, actor: CurrentActor) -> Answer:
    """The services that one works on; for operators all."""
    return page(request, [_service(view, role) for view, role in await list_own(face_of(request).ctx, actor)])


@router.get("/provider-services/{service}", responses=gives(listing_shapes.OwnListing))
async def info(request: Request, actor: CurrentActor, service: str) -> Answer:
    """One of them with its plans, their prices, and what is needed for the next state."""
    return Answer(_listing(await get_listing(face_of(request).ctx, actor, service)))


@router.get("/provider-services/{service}/reviews", responses=gives(listing_shapes.ServiceReview, many=True))
async def reviews(request: Request, actor: CurrentActor, service: str) -> Answer:
    """Its reviews, newest first."""
    return page(request, [_review(view) for view in await list_reviews(face_of(request).ctx, actor, service)])


@router.post(
    "/provider-services/{service}/reviews",
    status_code=201,
    openapi_extra=takes(RequestReviewBody),
    responses=gives(listing_shapes.ServiceReview, 201),
)
async def ask(request: Request, actor: CurrentActor, service: str) -> Answer:
    """Ask the operators to bring it to its next state."""
    body = await read(request, RequestReviewBody)
    return Answer(_review(await request_review(face_of(request).ctx, actor, service, body.kit)), 201)


@router.post(
    "/provider-services/{service}/conformance",
    openapi_extra=takes(StatementBody, required=True),
    responses=gives(listing_shapes.OwnListing),
)
async def conformance(request: Request, actor: CurrentActor, service: str) -> Answer:
    """Show with the listing that the provider passes the test kit, as somebody states whom the operators trust."""
    face, body = face_of(request), await read(request, StatementBody)
    await record_conformance(face.ctx, actor, service, body.model_dump(), face.kit_keys)
    return Answer(_listing(await get_listing(face.ctx, actor, service)))


@router.get("/service-reviews", responses=gives(listing_shapes.ServiceReview, many=True))
async def pending(request: Request, actor: CurrentActor) -> Answer:
    """Every review that waits for a decision (operators)."""
    return page(request, [_review(view) for view in await list_pending(face_of(request).ctx, actor)])


@router.post(
    "/provider-services/{service}/actions/approve",
    openapi_extra=takes(ApproveBody),
    responses=gives(listing_shapes.ServiceReview),
)
async def approve_(request: Request, actor: CurrentActor, service: str) -> Answer:
    """Bring it to the state that was asked for (operators)."""
    actor.require_operator()
    body = await read(request, ApproveBody)
    ctx = face_of(request).ctx
    view = await approve_review(ctx, actor, service, body.checked or (), body.note, override=body.override)
    return Answer(_review(view))


@router.post(
    "/provider-services/{service}/actions/refuse",
    openapi_extra=takes(RefuseBody, required=True),
    responses=gives(listing_shapes.ServiceReview),
)
async def refuse_(request: Request, actor: CurrentActor, service: str) -> Answer:
    """Leave it as it is, and say why (operators)."""
    actor.require_operator()
    body = await read(request, RefuseBody)
    return Answer(_review(await refuse(face_of(request).ctx, actor, service, body.note)))


@router.post(
    "/provider-services/{service}/actions/sunset",
    openapi_extra=takes(SunsetBody, required=True),
    responses=gives(listing_shapes.OwnListing),
)
async def sunset(request: Request, actor: CurrentActor, service: str) -> Answer:
    """Take no new add-ons from now on, and tell those who have it when it ends."""
    ctx, body = face_of(request).ctx, await read(request, SunsetBody)
    await announce_sunset(ctx, actor, service, body.at, body.successor)
    return Answer(_listing(await get_listing(ctx, actor, service)))


@router.post("/provider-services/{service}/actions/shutdown", responses=gives(listing_shapes.OwnListing))
async def shutdown(request: Request, actor: CurrentActor, service: str) -> Answer:
    """End it, once the announced day has come (operators)."""
    ctx = face_of(request).ctx
    await shut_down(ctx, actor, service)
    return Answer(_listing(await get_listing(ctx, actor, service)))


def _service(view: ServiceView, role: Role) -> listing_shapes.OwnService:
    return {
        "id": str(view.id),
        "name": view.slug,
        "human_name": view.name,
        "state": view.state,
        "role": role,
        "revision": view.revision,
        "sunset": serialize.sunset(view),
        "conformance": serialize.conformance(view),
        "reliability": serialize.reliability(view.reliability),
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }


def _listing(view: ListingView) -> listing_shapes.OwnListing:
    return {
        **_service(view.service, view.role),
        "plans": [_plan(plan, list(map(_price, prices))) for plan, prices in view.plans],
        "next_state": view.next_state,
        "review_pending": view.review_pending,
        "checklist": list(map(_point, view.checklist)),
    }


def _plan(plan: PlanView, prices: list[listing_shapes.PlanPriceVersion]) -> listing_shapes.ListedPlan:
    return {
        "name": plan.slug,
        "state": plan.state,
        "default": plan.is_default,
        "price_cents": plan.price_cents,
        "currency": plan.currency,
        "prices": prices,
    }


def _price(view: Any) -> listing_shapes.PlanPriceVersion:
    return {"price_cents": view.price_cents, "currency": view.currency, "valid_from": rfc3339(view.valid_from)}


def _point(point: Point) -> listing_shapes.ChecklistPoint:
    return {"name": point.name, "title": point.title, "manual": point.manual, "met": point.met}


def _review(view: ReviewView) -> listing_shapes.ServiceReview:
    return {
        "id": str(view.id),
        "service": view.service,
        "wanted": view.wanted,
        "state": view.state,
        "checklist": list(map(_point, view.checklist)),
        "note": view.note,
        "requested_by": view.requested_by,
        "decided_by": view.decided_by,
        "created_at": rfc3339(view.created_at),
        "decided_at": serialize.maybe(view.decided_at),
    }
