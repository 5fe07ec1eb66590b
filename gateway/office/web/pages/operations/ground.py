"""What the pages of operations share: who may come, and their tabs."""

from __future__ import annotations

from aiohttp import web

from gateway.office.domain.right import Manner, Right
from gateway.office.web.forms import SHORTEST_REASON
from gateway.office.web.frame import OPERATES
from gateway.office.web.routes import Needs
from gateway.office.web.visit import Visit

KEY = "operations"
PATH = "/van-hanh"
# Clerks decide about what arrived for their agency; operators look, at routing and form alone.
DECIDES = (Needs(right=Right.TAKE_IN, manners=(Manner.YES,)),)
LOOKS = (*OPERATES, *DECIDES)
TABS = (
    ("state", PATH),
    ("queues", f"{PATH}/hang-doi"),
    ("dead", f"{PATH}/goi-tin-loi"),
    ("aside", f"{PATH}/cach-ly"),
    ("tries", f"{PATH}/gui-lai"),
    ("line", f"{PATH}/kiem-tra"),
    ("notices", f"{PATH}/thong-bao"),
    ("copies", f"{PATH}/sao-luu"),
    ("jobs", f"{PATH}/tac-vu"),
    ("traffic", f"{PATH}/luu-luong"),
)


async def page(visit: Visit, tab: str, name: str, status: int = 200, /, **values: object) -> web.Response:
    """One page among the tabs; who only decides about packets sees no tab of what is closed to it."""
    tabs = [each for each in TABS if is_operator(visit) or each[0] == "aside"]
    values.setdefault("title", visit.say(f"operating.tab.{tab}"))
    return await visit.page(f"operations/{name}.html", status, tabs=tabs, tab=tab, **values)


def is_operator(visit: Visit) -> bool:
    return visit.may(Right.NOTICES, Manner.YES)


def reason(visit: Visit, field: str = "reason") -> tuple[str, list[tuple[str, str]]]:
    """The reason that was given, and what is wrong with it."""
    text = visit.form.text(field)
    return text, [] if len(text) >= SHORTEST_REASON else [(field, visit.say("form.reason.short"))]
