"""The sealed copies on this machine, and their trial restore beside the running node. In: a copy and its passphrase, which
goes with the trial. Out: whether everything in it was found equal."""

from __future__ import annotations

from aiohttp import web

from gateway.errors import NotFound
from gateway.office.web.frame import OPERATES
from gateway.office.web.pages.operations.ground import KEY, PATH, page
from gateway.office.web.routes import Who, get, post
from gateway.office.web.visit import Visit
from gateway.words import labels

_LIST = f"{PATH}/sao-luu"
_SHORTEST = 12


async def shown(visit: Visit) -> web.StreamResponse:
    copies = visit.deps.operations.copies
    drill = copies.drill()
    why = _why(visit, drill.code) if drill is not None else ""
    return await page(visit, "copies", "copies", copies=await copies.all(), drill=drill, why=why)


def _why(visit: Visit, code: str) -> str:
    """What was wrong and what to do; an error's own sentence is for the log."""
    key = f"operating.copies.fault.{code}"
    return visit.say(key if labels.has(key) else "operating.copies.fault")


async def ask(visit: Visit) -> web.StreamResponse:
    return await _ask(visit, [])


async def begin(visit: Visit) -> web.StreamResponse:
    passphrase = visit.form.text("passphrase")
    if len(passphrase) < _SHORTEST:
        return await _ask(visit, [("passphrase", visit.say("operating.copies.short"))])
    copy = await _copy(visit)
    await visit.deps.operations.copies.begin_drill(visit.person.person.id, copy, passphrase)
    return visit.said(_LIST, "operating.copies.begun")


async def _ask(visit: Visit, problems: list[tuple[str, str]]) -> web.Response:
    name = await _copy(visit)
    return await page(
        visit,
        "copies",
        "copy_test",
        422 if problems else 200,
        title=visit.say("operating.copies.test"),
        name=name,
        problems=problems,
        path=visit.request.path,
    )


async def _copy(visit: Visit) -> str:
    name = visit.path("name")
    if all(each.name != name for each in await visit.deps.operations.copies.all()):
        raise NotFound(f"there is no backup {name[:200]} on this machine")
    return name


ROUTES = (
    get(_LIST, "copies", shown, who=Who.READY, needs=OPERATES, key=KEY),
    get(f"{_LIST}/{{name}}/thu", "copy_test", ask, who=Who.READY, needs=OPERATES, key=KEY),
    post(f"{_LIST}/{{name}}/thu", "copy_tested", begin, who=Who.READY, needs=OPERATES, key=KEY),
)
