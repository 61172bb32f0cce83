"""Wrong in whom they let in."""

from __future__ import annotations

from tests.testkit.mutants.registry import breaks
from tests.testkit.shelf import Refusal, Shelf


@breaks("A provision without credentials is refused with 401.")
class LetsInWhoSaysNothing(Shelf):
    def authenticate(self, user: str, password: str) -> None:
        if user or password:
            super().authenticate(user, password)


@breaks(
    "A provision with a wrong password is refused with 401.",
    "A plan change with a wrong password is refused with 401.",
    "A delete with a wrong password is refused with 401.",
)
class ReadsNoPassword(Shelf):
    def authenticate(self, user: str, password: str) -> None:
        if user != "shelf":
            raise Refusal(401, "Wrong credentials.")


@breaks("A provision with the id of another service is refused with 401.")
class ReadsNoUser(Shelf):
    def authenticate(self, user: str, password: str) -> None:
        super().authenticate("shelf", password)


@breaks("A provision with a wrong password is refused with 401.")
class ChecksTheRestOnly(Shelf):
    def authenticate(self, user: str, password: str) -> None:
        if self.method != "POST" or user != "shelf":
            super().authenticate(user, password)


@breaks("A plan change with a wrong password is refused with 401.")
class ChangesPlansForEverybody(Shelf):
    def authenticate(self, user: str, password: str) -> None:
        if self.method != "PUT":
            super().authenticate(user, password)


@breaks("A delete with a wrong password is refused with 401.")
class DeletesForEverybody(Shelf):
    def authenticate(self, user: str, password: str) -> None:
        if self.method != "DELETE":
            super().authenticate(user, password)


@breaks(
    warning=(
        "A provision without credentials is refused with 401.",
        "A provision with a wrong password is refused with 401.",
        "A provision with the id of another service is refused with 401.",
        "A plan change with a wrong password is refused with 401.",
        "A delete with a wrong password is refused with 401.",
    )
)
class RefusesWith403(Shelf):
    def authenticate(self, user: str, password: str) -> None:
        try:
            super().authenticate(user, password)
        except Refusal:
            raise Refusal(403, "No.") from None
