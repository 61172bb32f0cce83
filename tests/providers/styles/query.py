"""Answers 202 and goes on later; exchanges the grant by a POST with everything in the query, no body and no content type."""

import http.client
import json
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.providers.styles.program import Provider, Reply, run


class Query(Provider):
    def provision(self, body: dict[str, Any]) -> Reply:
        self.in_background(self.finish, body)
        return Reply(202, {"id": body["uuid"]})

    def finish(self, body: dict[str, Any]) -> None:
        callback = body["callback_url"]
        token = self.exchange(body["oauth_grant"]["code"])
        addon = self.call("GET", callback, token)
        self.note("info", state=addon["state"], name=addon["name"], app=addon["app"]["name"])
        config = [
            {"name": self.var("URL"), "value": f"query://{addon['name']}"},
            {"name": self.var("EXTRA"), "value": None},
        ]
        self.call("PATCH", f"{callback}/config", token, json={"config": config})
        self.call("POST", f"{callback}/actions/provision", token)

    def exchange(self, code: str) -> str:
        parts = urlsplit(self.token_url)
        wanted = {"grant_type": "authorization_code", "code": code, "client_secret": self.client_secret}
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        connection.request("POST", f"{parts.path}?{urlencode(wanted)}")
        answer = json.loads(connection.getresponse().read())
        connection.close()
        token: str = answer["access_token"]
        return token

    def deprovision(self, resource_id: str) -> Reply:
        return Reply(410)


if __name__ == "__main__":
    run(Query())
