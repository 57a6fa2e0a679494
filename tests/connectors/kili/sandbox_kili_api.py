"""A plain client of a served Kili sandbox, for tests that look at what really goes over the wire."""

from contextlib import contextmanager

import httpx

from connectors.kili.sandbox import create
from connectors.kili.sandbox.platform import Options, Platform
from connectors.kili.sandbox.seed import seed
from connectors.sandbox import Control, serve

HARBOUR, REPAIRS, NOTES = "Harbour traffic", "Repair reports", "Delivery notes"


class Api:
    """``ask`` gives ``data.data`` and fails on errors, ``post`` gives the whole answer."""

    def __init__(self, url, settings):
        self.url, self.endpoint, self.key = url, settings["url"], settings["api_key"]
        self.http = httpx.Client(timeout=30, trust_env=False)

    def post(self, query, key=None, **variables):
        headers = {"Authorization": f"X-API-Key: {key or self.key}"}
        return self.http.post(self.endpoint, json={"query": query, "variables": variables}, headers=headers)

    def ask(self, query, **variables):
        answer = self.post(query, **variables)
        assert answer.status_code == 200, answer.text
        assert "errors" not in answer.json(), answer.text
        return answer.json()["data"]["data"]

    def listed(self, kind, where, fields="id", first=100):
        query = "query($w: %sWhere!, $s: Int!, $f: PageSize!) {data: %s(where: $w, skip: $s, first: $f) {%s}}"
        query %= (kind.capitalize(), f"{kind}s", fields)
        found = []
        while page := self.ask(query, w=where, s=len(found), f=first):
            found += page
        return found

    def count(self, kind, where):
        query = f"query($w: {kind.capitalize()}Where!) {{data: count{kind.capitalize()}s(where: $w)}}"
        return self.ask(query, w=where)

    def append(self, assets, kind="DEFAULT", key=None, **data):
        """``appendManyLabels`` with one label for each of ``assets``; extra keys ending in ``_`` go to each label."""
        each = {name[:-1]: value for name, value in data.items() if name.endswith("_")}
        whole = {name: value for name, value in data.items() if not name.endswith("_")}
        labels = [{"assetID": asset, "jsonResponse": '{"J": {"text": "x"}}'} | each for asset in assets]
        query = (
            "mutation($d: AppendManyLabelsData!, $w: AssetWhere!) {data: appendManyLabels(data: $d, where: $w) {id}}"
        )
        variables = {"d": {"labelType": kind, "labelsData": labels} | whole, "w": {"idIn": assets}}
        return self.post(query, key=key, **variables).json()

    def move(self, mutation, assets, fields="succeeded {assetId} declined {assetId} failed {assetId details}"):
        query = f"mutation($w: AssetWhere!) {{data: {mutation}(where: $w) {{{fields}}}}}"
        return self.ask(query, w={"idIn": assets})


@contextmanager
def served(**options):
    """A sandbox and a client of it."""
    sandbox = create(**options)
    with serve(sandbox) as url:
        api = Api(url, sandbox.settings(url))
        with api.http:
            yield sandbox, api


def look(sandbox, project, **where):
    assets = sandbox.control.actions["list_assets"](project=project)
    return [asset for asset in assets if all(asset[key] == value for key, value in where.items())]


def state(sandbox, asset, project):
    (found,) = look(sandbox, project, id=asset)
    return found["status"], found["step"], found["stepStatus"]


def grown(assets=40, **options):
    platform = Platform(0, Control(), Options(**options))
    seed(platform, 0, assets)
    return platform
