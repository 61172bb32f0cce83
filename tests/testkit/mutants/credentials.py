"""Wrong in how they rotate, and in the logins that they make."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from tests.testkit.mutants.registry import breaks
from tests.testkit.shelf import Shelf


@breaks("A rotation gives new credentials, and the old ones go on working.")
class CutsOffByRotating(Shelf):
    async def rotate(self, uuid: str, rotation: str) -> Response:
        answer = await super().rotate(uuid, rotation)
        await super().revoke(uuid, rotation)
        return answer


@breaks("A rotation gives new credentials, and the old ones go on working.")
class RotatesNothing(Shelf):
    async def rotate(self, uuid: str, rotation: str) -> Response:
        return JSONResponse({"config": self.config(uuid)})


@breaks("The same rotation again gives the same credentials.")
class RotatesWheneverItIsAsked(Shelf):
    async def rotate(self, uuid: str, rotation: str) -> Response:
        self.known(uuid).rotations.pop(rotation, None)
        return await super().rotate(uuid, rotation)

    async def revoke(self, uuid: str, rotation: str) -> Response:
        self.items[uuid].rotations[rotation] = 1
        return await super().revoke(uuid, rotation)


@breaks("After a revocation the new credentials work, and the old ones do not.")
class WithdrawsNothing(Shelf):
    async def revoke(self, uuid: str, rotation: str) -> Response:
        self.known(uuid)
        return Response(status_code=204)


@breaks("The provider tells which config holds now.")
class TellsWhatHeldBefore(Shelf):
    async def ask(self, uuid: str) -> Response:
        return JSONResponse({"config": {"SHELF_URL": self.address(self.password(uuid, 0))}})


@breaks("A login of its own is made, and works.")
class MakesLoginsThatDoNotWork(Shelf):
    async def make_login(self, uuid: str, login: str) -> Response:
        answer = await super().make_login(uuid, login)
        self.admitted.discard(self.login_password(uuid, login))
        return answer


@breaks("A login of its own is made, and works.")
class GivesTheDefaultForALogin(Shelf):
    async def make_login(self, uuid: str, login: str) -> Response:
        return JSONResponse({"config": self.config(uuid)})


@breaks("The same login again is answered like the first time.")
class MakesANewPasswordEachTime(Shelf):
    async def make_login(self, uuid: str, login: str) -> Response:
        return await super().make_login(uuid, login if login not in self.known(uuid).logins else f"{login} again")


@breaks("A login that was removed does not work any more, and the others do.")
class KeepsLogins(Shelf):
    async def remove_login(self, uuid: str, login: str) -> Response:
        return Response(status_code=204)


@breaks(
    "A login that was removed does not work any more, and the others do.",
    "The config works after a plan change.",
)
class RemovesAllLogins(Shelf):
    async def remove_login(self, uuid: str, login: str) -> Response:
        self.admitted.discard(self.secret(uuid))
        return await super().remove_login(uuid, login)
