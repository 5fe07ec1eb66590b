"""Health of the node, for supervisors and load balancers. In: a call. Out: small answers. These two calls stand apart from
the others, because they are asked of every node, also where no program ever calls."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from gateway.api.call import Call
from gateway.api.routes import Routes
from gateway.api.shapes import ResponseModel
from gateway.domain.diagnosis import Diagnosis, check_words, condition
from gateway.domain.request_fault import BadCall


class Health(ResponseModel):
    """`status` is `ok`, or `degraded`: calls are served, but the work that a failed check concerns waits until the
    fault is gone."""

    status: Literal["ok", "degraded"]
    checks: dict[str, str]


ROUTES = Routes("node")


@ROUTES(
    "GET /healthz",
    "The process runs; 503 if it should be restarted",
    text="For what restarts the process. A slow database does not make it fail.",
    base="",
    open=True,
    fails=(503,),
)
async def is_live(call: Call) -> Health:
    """Answer that the process runs and its loops turn; nothing else is checked, so that a slow database does not get it
    restarted."""
    return _health(await call.deps.health.alive())


@ROUTES(
    "GET /readyz",
    "Calls can be served; 503 if not",
    text="For what directs calls here: the database answers and takes changes, the disk has space, no "
    "stop is due.",
    base="",
    open=True,
    fails=(503,),
)
async def is_ready(call: Call) -> Health:
    """Answer whether calls can be served now: the database answers and takes changes, there is space, no stop is due."""
    return _health(await call.deps.health.ready())


def _health(findings: Collection[Diagnosis]) -> Health:
    status, checks = condition(findings), check_words(findings)
    if status == "not-well":
        raise BadCall("not-well", more={"checks": checks}, headers={"Retry-After": "5"})
    return Health(status=status, checks=checks)
