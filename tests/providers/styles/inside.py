"""Does everything inside the provision call: exchanges the grant, sends config, reports "provisioned"; then answers 202."""

from typing import Any

from tests.providers.styles.program import Provider, Reply, run


class Inside(Provider):
    def provision(self, body: dict[str, Any]) -> Reply:
        grant, callback = body["oauth_grant"], body["callback_url"]
        form = {"grant_type": grant["type"], "code": grant["code"], "client_secret": self.client_secret}
        token = self.call("POST", self.token_url, form=form)["access_token"]
        config = [{"name": self.var("URL"), "value": f"inside://{body['uuid']}"}]
        self.call("PATCH", f"{callback}/config", token, json={"config": config})
        headers = {"Content-Type": "application/json", "Content-Length": "0"}
        addon = self.call("POST", f"{callback}/actions/provision", token, headers=headers)
        self.note("finished", state=addon["state"], plan=addon["plan"]["name"])
        return Reply(202, {"id": body["uuid"], "message": "It was ready before you knew."})


if __name__ == "__main__":
    run(Inside())
