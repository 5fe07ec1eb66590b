"""The office's additions to the program: a larger node with its pages and calls, and words of the command line. In: the
node's settings. Out: what `gateway.bootstrap.extensions` finds by an entry point."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from importlib import import_module
from typing import IO, TYPE_CHECKING

from gateway.bootstrap.extensions import Extension, Noun

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.api.admission import Entry
    from gateway.api.routes import Route
    from gateway.bootstrap.node import OpenNode
    from gateway.domain.dossier import Dossier
    from gateway.ports.services import HealthProbe
    from gateway.settings import Settings

# Every path except those of the API and of monitoring.
PAGES = re.compile("/(?!api/|problems|docs|metrics|healthz|readyz).*")


def _open(settings: Settings) -> AbstractAsyncContextManager[OpenNode]:
    from gateway_office.bootstrap.office import open_office

    return open_office(settings)


def _calls(node: OpenNode) -> Sequence[Route]:
    from gateway_office import calls
    from gateway_office.bootstrap.office import Office

    return calls.routes(node) if isinstance(node, Office) else ()


def _write_dossier(dossier: Dossier, out: IO[bytes]) -> None:
    from gateway_office.dossier_pdf import write_pdf

    write_pdf(dossier, out)


def _add_pages(app: web.Application, node: OpenNode, health: HealthProbe, entry: Entry) -> None:
    """Add the office's pages. Their modules, a tenth of all, are imported in a thread at the first request, so that the
    event loop is not blocked."""
    from gateway.api.late import LateRoutes
    from gateway_office.bootstrap.office import Office

    if not isinstance(node, Office):
        return
    stops: list[Callable[[], None]] = []

    async def make_routes() -> web.UrlDispatcher:
        await node.pool.run(partial(import_module, "gateway_office.web.app"))
        from gateway_office.web import app

        deps = app.deps_of(node, health, entry)
        stops.append(deps.live.stop)
        return app.routes_over(deps)

    async def stop(_: web.Application) -> None:
        """End the open streams, so that the node stops without waiting for them."""
        for end_stream in stops:
            end_stream()

    app.router.register_resource(LateRoutes(PAGES, make_routes))
    app.on_shutdown.append(stop)


OFFICE = Extension(
    is_wanted=lambda settings: settings.node.office == "on",
    opens=_open,
    adds_calls=_calls,
    adds_pages=_add_pages,
    writes_dossier=_write_dossier,
    nouns={
        "book": Noun(
            sentence="The register books: lines, gaps, files; mail entered by hand.",
            after_noun="inbox",
            module="gateway_office.cli.book",
        ),
        "report": Noun(
            sentence="Reports: figures of documents of a period, as a table or a file.",
            after_noun="book",
            module="gateway_office.cli.report",
        ),
        "todo": Noun(
            sentence="What needs a hand: overdue, refused, failed, asked back, due.",
            after_noun="hold",
            module="gateway_office.cli.todo",
        ),
        "calendar": Noun(
            sentence="Holidays and swap days, which office hours leave out or add.",
            after_noun="todo",
            module="gateway_office.cli.calendar",
        ),
    },
    verbs={"people": ("gateway_office.cli.people_accounts",), "archive": ("gateway_office.cli.archive",)},
)
