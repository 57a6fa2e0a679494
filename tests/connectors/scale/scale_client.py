"""A customer of the Scale sandbox, for tests."""

import httpx

from connectors.scale.sandbox.state import API_KEYS

BOXES = {"attachment": "https://images.example.com/a.jpg", "geometries": {"box": {"objects_to_annotate": ["tug"]}}}


class Client(httpx.Client):
    """The sandbox's customer, with the test key unless told otherwise."""

    def __init__(self, sandbox, url, key=None):
        auth = httpx.BasicAuth(key or API_KEYS["test"], "")
        super().__init__(base_url=f"{url}/v1", auth=auth, trust_env=False, timeout=10)
        self.sandbox = sandbox
        self.act = sandbox.control.actions

    def pages(self, **query):
        """Every page, by ``next_token``."""
        found = [self.get("/tasks", params=query).json()]
        while found[-1]["has_more"]:
            found.append(self.get("/tasks", params=query | {"next_token": found[-1]["next_token"]}).json())
        return found

    def ids(self, **query):
        return [task["task_id"] for page in self.pages(**query) for task in page["docs"]]


def refusal(answer):
    """Status and text; every refusal has Scale's shape."""
    body = answer.json()
    assert set(body) == {"status_code", "error"}
    assert body["status_code"] == answer.status_code
    return answer.status_code, body["error"]
