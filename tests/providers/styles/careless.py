"""Makes a second resource when it is asked twice, and fails when it is to delete what it has deleted.

Its first answer of each kind gets lost, after the work was done.
"""

from typing import Any

from tests.providers.styles.program import Provider, Reply, run


class Careless(Provider):
    made = 0

    def provision(self, body: dict[str, Any]) -> Reply:
        self.made += 1
        self.rows[body["uuid"]] = {"id": self.made}
        if self.made == 1:
            return Reply(None)
        return Reply(200, {"id": f"row-{self.made}", "config": {self.var("URL"): f"careless://{self.made}"}})

    def deprovision(self, resource_id: str) -> Reply:
        if resource_id in self.rows:
            del self.rows[resource_id]
            return Reply(None)
        return Reply(500, "<h1>undefined method `destroy' for nil</h1>", "text/html")


if __name__ == "__main__":
    run(Careless())
