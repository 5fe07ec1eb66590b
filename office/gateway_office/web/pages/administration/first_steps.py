"""First calls of a program. In: the language of programming. Out: a page with the calls in it, with this node's address
and the agency's code."""

from __future__ import annotations

from aiohttp import web
from markupsafe import Markup

from gateway.domain.wall_clock import local
from gateway_office.web import answers
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.administration import accounts
from gateway_office.web.pages.administration.accounts import get
from gateway_office.web.pages.administration.api_keys import KEYS

_LANGUAGES = (
    ("curl", "curl"),
    ("python", "Python"),
    ("java", "Java"),
    ("csharp", "C#"),
    ("php", "PHP"),
    ("node", "Node.js"),
)


async def show_start(request: PageRequest) -> web.StreamResponse:
    agency = await accounts.chosen_agency(request)
    hosted = [a.code for a in await request.deps.store.hosted() if a.left_at is None]
    values = {
        "node": accounts.address_of_node(request),
        "code": agency.key,
        "key": "gwk_…",
        "to": next((a for a in hosted if a != agency.key), agency.key),
        "today": local(request.person.at).date().isoformat(),
    }
    meta = _start_text("meta.json", values)
    samples = [(key, name, _start_text(f"{key}.txt", {**values, "meta": meta})) for key, name in _LANGUAGES]
    return await request.page(
        "admin/start.html",
        title=request.say("start.title"),
        here=agency,
        places=[(place.key, place.name) for place in await accounts.list_agencies(request)],
        meta=meta,
        samples=samples,
    )


def _start_text(name: str, values: dict[str, str]) -> str:
    """Render a text that is escaped once, where the page shows it."""
    plain = {key: Markup(text) for key, text in values.items()}  # noqa: S704 - escaped by the page
    return str(answers.templates().get_template(f"admin/start/{name}").render(plain))


ROUTES = (get(f"{KEYS}/bat-dau", "api_start", show_start),)
