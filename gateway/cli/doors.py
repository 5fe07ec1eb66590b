"""Wires the doors: one application that answers programs over an open node, and people where a storey brings pages.
In: a node and what watches it. Out: an application not yet started."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web

from gateway import __version__
from gateway.api.app import build
from gateway.api.deps import ApiDeps, ApiOptions
from gateway.api.entry import Entry
from gateway.api.server import CallLog
from gateway.bootstrap import storeys
from gateway.bootstrap.node import OpenNode
from gateway.ops.evidence.make import EvidenceMaker
from gateway.ports import HealthProbe


def application(node: OpenNode, health: HealthProbe) -> web.Application:
    """The API and the pages over this node."""
    api = node.settings.api
    deps = ApiDeps(
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
        calls=CallLog(node.store.calls, node.clock, timedelta(days=api.calls_days)),
        version=__version__,
        options=ApiOptions(
            rate_per_s=api.rate_per_s,
            burst=api.burst,
            connections=api.connections,
            hosts=_listed(api.names),
            proxies=_listed(api.proxies),
        ),
    )
    app = build(deps)
    storeys.add_pages(app, node, health, Entry(deps.options))
    return app


def _listed(words: str) -> frozenset[str]:
    """What stands between commas, in small letters."""
    return frozenset(word.strip().casefold() for word in words.split(",") if word.strip())
