"""The JSON shapes of teams, their members and invitations.

Source: the public Platform API schema, version 3; members outside of it are marked.
"""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from broker.faces.shapes import Ref, UserRef

Role = Literal["owner", "admin", "member", "viewer", "billing"]


class Team(TypedDict):
    """A team, as one of its members sees it. Own: `email`, `members`."""

    id: str
    name: str
    email: str
    role: Role
    members: int
    type: str
    default: bool
    credit_card_collections: bool
    provisioned_licenses: bool
    membership_limit: int | None
    enterprise_account: Ref | None
    identity_provider: Ref | None
    created_at: str
    updated_at: str


class TeamMemberUser(TypedDict):
    """The person behind a member."""

    id: str
    email: str
    name: str | None


class TeamMember(TypedDict):
    """Somebody in a team."""

    id: str
    email: str
    federated: bool
    role: Role
    two_factor_authentication: bool
    user: TeamMemberUser
    identity_provider: Ref | None
    created_at: str
    updated_at: str


class TeamInvitation(TypedDict):
    """Somebody who was asked into a team. Own: `email`, `state`, `expires_at`."""

    id: str
    email: str
    role: Role
    state: Literal["pending", "accepted", "declined", "revoked"]
    team: Ref
    invited_by: TeamMemberUser
    user: TeamMemberUser
    expires_at: str
    created_at: str
    updated_at: str


class TeamFeature(TypedDict):
    """Something that clients ask about before they do it."""

    id: str
    name: str
    display_name: str
    description: str
    doc_url: str
    feedback_email: str
    enabled: bool
    state: str
    created_at: str
    updated_at: str


class TeamPermission(TypedDict):
    """What those may do who work on a team's app."""

    name: str
    description: str


class TeamCollaborator(TypedDict):
    """A person's part in a team's app."""

    id: str
    app: Ref
    user: UserRef
    role: str
    permissions: list[TeamPermission]
    created_at: str
    updated_at: str
