"""Wires the doors: one application that answers programs and people over an open node: the API at once, the status page
and the pages when somebody first asks for one. In: a node and what watches it. Out: an application not yet started."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from importlib import import_module

from aiohttp import web

from gateway import __version__, bootstrap_api
from gateway.api.app import build
from gateway.api.deps import ApiDeps
from gateway.api.entry import Entry
from gateway.bootstrap import Node
from gateway.ops.evidence.make import EvidenceMaker
from gateway.ports import Health
from gateway.web.late import Late

# All that the API and monitoring leave.
PAGES = re.compile("/(?!api/|problems|docs|metrics|healthz|readyz).*")


def application(node: Node, health: Health) -> web.Application:
    """The API and the pages over this node."""
    deps = _api(node, health)
    app = build(deps)
    _add_pages(app, node, health, Entry(deps.options))
    return app


def _add_pages(app: web.Application, node: Node, health: Health, entry: Entry) -> None:
    """Their modules, a tenth of all there are, are loaded beside the loop, which goes on meanwhile."""
    stops: list[Callable[[], None]] = []

    async def made() -> web.UrlDispatcher:
        await node.pool.run(partial(import_module, "gateway.bootstrap_pages"))
        from gateway import bootstrap_pages

        deps = bootstrap_pages.pages(node, health, entry)
        stops.append(deps.live.stop)
        return bootstrap_pages.routes(node, deps)

    async def stop(_: web.Application) -> None:
        """Ends the open streams, so that the node stops without waiting for them."""
        for each in stops:
            each()

    app.router.register_resource(Late(PAGES, made))
    app.on_shutdown.append(stop)


def _api(node: Node, health: Health) -> ApiDeps:
    return ApiDeps(
        store=node.store,
        accounts=node.store.accounts,
        blobs=node.blobs,
        directory=node.directory,
        out=node.out,
        inn=node.inn,
        clock=node.clock,
        pool=node.pool,
        health=health,
        evidence=EvidenceMaker(node),
        calls=bootstrap_api.call_log(node.settings, node.store.calls, node.clock),
        version=__version__,
        options=bootstrap_api.options(node.settings),
    )
