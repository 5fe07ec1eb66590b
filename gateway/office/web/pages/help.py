"""Help: how the daily work is done, what each state means, how long each step may take. In: nothing but the labels.
Out: one page that can be printed."""

from __future__ import annotations

from aiohttp import web

from gateway.office.web.routes import Who, get
from gateway.office.web.visit import Visit

PARTS = {"send": 4, "receive": 4, "recall": 2, "book": 2, "admin": 3}
STATES = (
    *(
        "draft",
        "blocked",
        "queued",
        "sending",
        "sent",
        "failed",
        "cancelled",
        "paper",
        "delivered",
        "rejected",
        "accepted",
    ),
    *("assigned", "processing", "done", "recall_asked", "take_back_asked", "update_asked", "request_agreed"),
    "request_refused",
)
TIMES = ("take_in", "assign", "issue", "recall")


async def shown(visit: Visit) -> web.StreamResponse:
    return await visit.page(
        "help/page.html", title=visit.say("menu.help"), parts=PARTS, states=STATES, times=TIMES
    )


ROUTES = (get("/tro-giup", "help", shown, who=Who.ANYBODY, key="help"),)
