"""Assemble the applications that serve programs over an open node, and people where an extension brings pages. In: a node
and its health probe. Out: an application not yet started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from aiohttp import web

from gateway import __version__
from gateway.api.admission import Entry
from gateway.api.app import build, every_route
from gateway.api.deps import ApiDeps, ApiOptions, PackFile
from gateway.api.routes import Route
from gateway.api.server import CallLog
from gateway.bootstrap import extensions
from gateway.bootstrap.guards import profile_defaults
from gateway.bootstrap.node import OpenNode
from gateway.domain.account import AgencyScope, key_prefix
from gateway.ports.services import HealthProbe

if TYPE_CHECKING:
    from gateway.ops.evidence.make import EvidenceMaker


def build_application(node: OpenNode, health: HealthProbe, more: Iterable[Route] = ()) -> web.Application:
    """Build the API and the pages over this node; `more` are additional routes."""
    calls = CallLog(node.store.calls, node.settled, timedelta(days=node.settings.api.calls_days))
    deps = replace(api_deps(node, health), calls=calls)
    app = build(deps, lambda: (*every_route(), *extensions.calls(node), *more))
    extensions.add_paths(app, node, deps)
    extensions.add_pages(app, node, health, Entry(deps.options))
    return app


class _LateEvidence:
    """Maker of evidence packs and proofs whose modules, which judge every packet anew, are loaded for the first."""

    def __init__(self, node: OpenNode) -> None:
        self._node = node

    async def make(self, scope: AgencyScope, id: str) -> PackFile:
        """NotFound when the agency has no such document."""
        return await self._maker.make(scope, id)

    async def proof(self, scope: AgencyScope, id: str) -> str:
        """NotFound when the agency has no such document, Clash while it is under no seal."""
        return await self._maker.proof(scope, id)

    @cached_property
    def _maker(self) -> EvidenceMaker:
        from gateway.ops.evidence.make import EvidenceMaker

        return EvidenceMaker(self._node)


def api_deps(node: OpenNode, health: HealthProbe) -> ApiDeps:
    """Collect the services that the API's calls use. Its calls are not logged."""
    api = node.settings.api
    return ApiDeps(
        store=node.store,
        accounts=node.store.accounts,
        blobs=node.blobs,
        directory=node.directory,
        directory_changes=node.directory_changes,
        out=node.out,
        inn=node.inn,
        axis=node.axis,
        clock=node.clock,
        pool=node.pool,
        health=health,
        webhooks=node.webhooks,
        evidence=_LateEvidence(node),
        version=__version__,
        node=node.settings.node.name,
        options=ApiOptions(
            rate_per_s=api.rate_per_s,
            burst=api.burst,
            connections=api.connections,
            hosts=_split_names(api.names),
            proxies=_split_names(api.proxies),
            client_certificates=api.client_certificates == "on",
            key_prefix=key_prefix(node.settings.node.trial),
            profile_defaults=profile_defaults(node.settings),
        ),
    )


def _split_names(words: str) -> frozenset[str]:
    """Split names at commas, in lower case."""
    return frozenset(word.strip().casefold() for word in words.split(",") if word.strip())
