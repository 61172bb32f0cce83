"""Has the oldest form of manifest: one URL, everything below it, and signs users on by GET."""

from typing import Any

from tests.providers.styles.program import Provider, Reply, run


class Root(Provider):
    def provision(self, body: dict[str, Any]) -> Reply:
        return Reply(200, {"id": "res-1", "config": {self.var("URL"): "root://1"}})

    def sign_on(self, resource_id: str, query: dict[str, str]) -> Reply:
        if query.get("token") != self.sso_token(resource_id, query.get("timestamp", "")):
            return Reply(403, "go away", "text/html")
        cookie = {"Set-Cookie": f"heroku-nav-data={query['nav-data']}; Path=/"}
        return Reply(200, f"<h1>Welcome {query['email']} to {query['app']}</h1>", "text/html", cookie)


if __name__ == "__main__":
    run(Root())
