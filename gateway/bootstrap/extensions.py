"""Additions of other distributions to the exchange, which does not know them: a larger node, calls of the API and beside
it, pages, commands. In: one `Extension` for each, by an entry point of the group `gateway.storeys`; kinds of axes come by
`bootstrap.axis`. Out: the node as its settings want it. Without one the exchange works alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import cache
from typing import IO, TYPE_CHECKING

from gateway.errors import Misconfigured

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.api.admission import Entry
    from gateway.api.deps import ApiDeps
    from gateway.api.routes import Route
    from gateway.bootstrap.node import OpenNode
    from gateway.domain.dossier import Dossier
    from gateway.ports.services import HealthProbe
    from gateway.settings import Settings

_GROUP = "gateway.storeys"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """A first word of the command line: its sentence in the help, the word that it follows, the module that has it."""

    sentence: str
    after_noun: str
    module: str


def _is_trial(settings: Settings) -> bool:
    return settings.node.trial == "on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """The additions of one extension; each of them may be missing."""

    is_wanted: Callable[[Settings], bool] = _is_trial
    """Whether a node with these settings gets them; unless said otherwise they are for trials. Commands are for all."""
    opens: Callable[[Settings], AbstractAsyncContextManager[OpenNode]] | None = None
    adds_calls: Callable[[OpenNode], Sequence[Route]] | None = None
    """Calls for the API and its description."""
    adds_paths: Callable[[web.Application, OpenNode, ApiDeps], None] | None = None
    """Calls of another interface for programs (`compat.vxp`)."""
    adds_pages: Callable[[web.Application, OpenNode, HealthProbe, Entry], None] | None = None
    writes_dossier: Callable[[Dossier, IO[bytes]], None] | None = None
    """Writer of the node's dossier as PDF."""
    nouns: Mapping[str, Noun] = field(default_factory=dict)
    verbs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Modules that add verbs to a noun of the exchange, each by its `register`."""


@cache
def _load_installed() -> tuple[Extension, ...]:
    """Load them, and only when needed: the search takes as long as printing a version."""
    from importlib.metadata import entry_points

    return tuple(e.load() for e in entry_points(group=_GROUP))


def nouns() -> Mapping[str, Noun]:
    return {word: noun for s in _load_installed() for word, noun in s.nouns.items()}


def verbs(noun: str) -> Sequence[str]:
    return [module for s in _load_installed() for module in s.verbs.get(noun, ())]


def dossier_writer() -> Callable[[Dossier, IO[bytes]], None] | None:
    """Return what writes the dossier as PDF; None where nothing that can is installed."""
    return next((s.writes_dossier for s in _load_installed() if s.writes_dossier is not None), None)


def open_with_storeys(settings: Settings) -> AbstractAsyncContextManager[OpenNode]:
    """Open the node with everything that its settings want. Raises Misconfigured."""
    extensions = _extensions_for(settings)
    if settings.compat.vxp and not any(extension.adds_paths for extension in extensions):
        raise Misconfigured(
            "compat.vxp is true, but the package lienthong-gateway-foreign is not installed",
            code="GW-C-006",
            hint="Install it, or set vxp = false under [compat].",
        )
    for extension in extensions:
        if extension.opens is not None:
            return extension.opens(settings)
    if settings.node.office == "on":
        raise Misconfigured(
            "node.office is on, but the package lienthong-gateway-office is not installed",
            code="GW-C-005",
            hint='Install it, or set office = "off" under [node].',
        )
    from gateway.bootstrap.node import open_node

    return open_node(settings)


def calls(node: OpenNode) -> Sequence[Route]:
    """Return the calls that extensions add to the API."""
    hung = [s.adds_calls(node) for s in _extensions_for(node.settings) if s.adds_calls is not None]
    return [route for s in hung for route in s]


def add_paths(app: web.Application, node: OpenNode, deps: ApiDeps) -> None:
    for extension in _extensions_for(node.settings):
        if extension.adds_paths is not None:
            extension.adds_paths(app, node, deps)


def add_pages(app: web.Application, node: OpenNode, health: HealthProbe, entry: Entry) -> None:
    for extension in _extensions_for(node.settings):
        if extension.adds_pages is not None:
            extension.adds_pages(app, node, health, entry)


def _extensions_for(settings: Settings) -> Sequence[Extension]:
    return [extension for extension in _load_installed() if extension.is_wanted(settings)]
