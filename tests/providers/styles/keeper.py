"""Keeps the refresh token of its first exchange and never looks at a newer one; changes plans slowly, with config later."""

from typing import Any

from tests.providers.styles.program import Provider, Reply, run


class Keeper(Provider):
    def provision(self, body: dict[str, Any]) -> Reply:
        form = {
            "grant_type": "authorization_code",
            "code": body["oauth_grant"]["code"],
            "client_secret": self.client_secret,
        }
        kept = self.call("POST", self.token_url, form=form)["refresh_token"]
        self.rows[body["uuid"]] = {"kept": kept, "callback": body["callback_url"]}
        return Reply(200, {"id": body["uuid"], "config": {self.var("URL"): "keeper://first"}})

    def change_plan(self, resource_id: str, body: dict[str, Any]) -> Reply:
        self.in_background(self.move, self.rows[resource_id], body["plan"])
        return Reply(202, {"message": "This takes a while."})

    def move(self, row: dict[str, Any], plan: str) -> None:
        for step in (1, 2):
            form = {"grant_type": "refresh_token", "refresh_token": row["kept"], "client_secret": self.client_secret}
            token = self.call("POST", self.token_url, form=form)["access_token"]
            config = [{"name": self.var("URL"), "value": f"keeper://{plan}/{step}"}]
            self.call("PATCH", f"{row['callback']}/config", token, json={"config": config})
        self.note("moved")

    def deprovision(self, resource_id: str) -> Reply:
        self.in_background(self.remove, self.rows[resource_id])
        return Reply(202)

    def remove(self, row: dict[str, Any]) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": row["kept"], "client_secret": self.client_secret}
        token = self.call("POST", self.token_url, form=form)["access_token"]
        self.call("POST", f"{row['callback']}/actions/deprovision", token)


if __name__ == "__main__":
    run(Keeper())
