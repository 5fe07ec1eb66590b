"""Start in five minutes: the first calls of a program, in six languages, with this node's address and the agency's code in
them. In: an administrator. Out: one page; a key is never in it, for none can be read again."""

from __future__ import annotations

from aiohttp import web
from markupsafe import Markup

from gateway.domain.wall_clock import local
from gateway.office.web import render
from gateway.office.web.frame import ADMINISTERS
from gateway.office.web.pages.administration import keys, place
from gateway.office.web.routes import Who, get
from gateway.office.web.visit import Visit

_LANGUAGES = (
    *(("curl", "curl"), ("python", "Python"), ("java", "Java")),
    *(("csharp", "C#"), ("php", "PHP"), ("node", "Node.js")),
)


async def shown(visit: Visit) -> web.StreamResponse:
    here = await keys.chosen(visit, visit.ask("co-quan"))
    hosted = [each.code for each in await visit.deps.store.hosted() if each.left_at is None]
    values = {
        "node": visit.deps.options.address or f"{visit.request.scheme}://{visit.request.host}",
        "code": here.key,
        "key": "gwk_…",
        "to": next((each for each in hosted if each != here.key), here.key),
        "today": local(visit.person.at).date().isoformat(),
    }
    meta = _text("meta.json", values)
    samples = [(key, name, _text(f"{key}.txt", {**values, "meta": meta})) for key, name in _LANGUAGES]
    places = await place.open_to(visit, together=False, node=False)
    return await visit.page(
        "admin/start.html",
        title=visit.say("start.title"),
        here=here,
        places=[(each.key, each.name) for each in places],
        meta=meta,
        samples=samples,
    )


def _text(name: str, values: dict[str, str]) -> str:
    """A text that is escaped once, where the page shows it."""
    plain = {key: Markup(text) for key, text in values.items()}  # noqa: S704 - escaped by the page
    return str(render.pages().get_template(f"admin/start/{name}").render(plain))


ROUTES = (
    get(
        f"{keys.HERE}/bat-dau",
        "api_start",
        shown,
        who=Who.READY,
        needs=ADMINISTERS,
        key="administration",
    ),
)
