"""Scale AI in miniature: the REST API v1 that Scale's own SDK works against, with its quirks (``platforms/scale.md``).

    sandbox_store    tasks in memory, filters, pages        sandbox_api       routing, keys, bodies, errors
    sandbox_types    task types, defaults, dummy answers    sandbox_tasks     routes of tasks and audits
    sandbox_rules    how a task changes, pure               sandbox_projects  routes of projects and batches
    sandbox_state    the account: every change passes it    sandbox_people    files, team, Studio, quality tasks
    sandbox_actions  what a test may do behind the API      sandbox_callbacks webhooks over real HTTP
    sandbox_seed     the first content

Both modes of the account are there, each with its own key and objects. The seed lives in test mode, whose tasks here
may also wait, fail and be audited; a task that a client creates there is complete at once, as at Scale.
"""

from __future__ import annotations

from typing import Any

from connectors.sandbox import Control, Sandbox
from connectors.scale.sandbox import people as sandbox_people
from connectors.scale.sandbox import projects as sandbox_projects
from connectors.scale.sandbox import tasks as sandbox_tasks
from connectors.scale.sandbox.actions import add_actions
from connectors.scale.sandbox.api import Api
from connectors.scale.sandbox.seed import fill
from connectors.scale.sandbox.state import API_KEYS, CALLBACK_KEYS, Account


def create(seed: int = 0, tasks: int = 60) -> Sandbox:
    """A new account with ``tasks`` tasks; the same arguments give the same content."""
    control = Control(seed)
    account = Account(control, seed)
    fill(account, account.worlds["test"], tasks, seed)
    api = Api(account)
    for routes in (sandbox_tasks, sandbox_projects, sandbox_people):
        routes.add_routes(api)
    add_actions(account)
    return Sandbox(name="scale", app=api, control=control, settings=settings)


def settings(url: str) -> dict[str, Any]:
    """The source's table in the configuration: the seed's mode, and the key its callbacks carry."""
    return {"url": f"{url}/v1", "api_key": API_KEYS["test"], "callback_auth_key": CALLBACK_KEYS["test"]}
