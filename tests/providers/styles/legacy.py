"""Knows version 1 alone: apps by `heroku_id`, resources by numbers of its own, config by PUT with the manifest's password."""

import base64
from typing import Any

from tests.providers.styles.program import Provider, Reply, run


class Legacy(Provider):
    def provision(self, body: dict[str, Any]) -> Reply:
        number = str(7000 + len(self.rows))
        self.rows[number] = {"callback": body["callback_url"], "heroku_id": body["heroku_id"]}
        return Reply(200, {"id": int(number), "config": {self.var("URL"): f"legacy://{number}"}}, "text/html")

    def change_plan(self, resource_id: str, body: dict[str, Any]) -> Reply:
        row = self.rows[resource_id]
        self.note("same app", known=row["heroku_id"] == body["heroku_id"])
        self.in_background(self.tell, row, body["plan"])
        return Reply(200, "")

    def tell(self, row: dict[str, Any], plan: str) -> None:
        credentials = base64.b64encode(f"{self.slug}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}"}
        installs = self.call("GET", row["callback"].rpartition("/")[0], headers=headers)
        app = self.call("GET", f"{row['callback'].rpartition('/')[0]}/{installs[0]['heroku_id']}", headers=headers)
        self.note("app info", name=app["name"], owner=app["owner_email"], plan=app["plan"])
        self.call("PUT", row["callback"], headers=headers, json={"config": {self.var("URL"): f"legacy://{plan}"}})

    def deprovision(self, resource_id: str) -> Reply:
        return Reply(200 if self.rows.pop(resource_id, None) else 404)


if __name__ == "__main__":
    run(Legacy())
