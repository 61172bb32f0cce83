"""Says that everything is HTML, numbers its resources, and leaves the answers to PUT and DELETE blank."""

from typing import Any

from tests.providers.styles.program import Provider, Reply, run

HTML = "text/html;charset=utf-8"


class Html(Provider):
    def provision(self, body: dict[str, Any]) -> Reply:
        self.rows[body["uuid"]] = {"id": len(self.rows) + 1}
        config = {self.var("URL"): f"html://{body['plan']}"}
        return Reply(201, {"id": self.rows[body["uuid"]]["id"], "config": config, "message": None}, HTML)

    def change_plan(self, resource_id: str, body: dict[str, Any]) -> Reply:
        return Reply(200, " \n", HTML)

    def deprovision(self, resource_id: str) -> Reply:
        known = self.rows.pop(resource_id, None)
        return Reply(200 if known else 404, "ok", HTML)


if __name__ == "__main__":
    run(Html())
