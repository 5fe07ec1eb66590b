"""Additions of an extension to the exchange, which does not know it: a larger node, calls of the API, pages, commands.
In: one `Extension` for each, added once by the program's entry, or by another distribution with an entry point of the group
`gateway.storeys`. Out: the node as its settings want it. Without one the exchange works alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.api.admission import Entry
    from gateway.api.routes import Route
    from gateway.bootstrap.node import OpenNode
    from gateway.ports.services import HealthProbe
    from gateway.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """A first word of the command line: its sentence in the help, the word that it follows, the module that has it."""

    sentence: str
    after_noun: str
    module: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """The additions of one extension; each of them may be missing."""

    opens: Callable[[Settings], AbstractAsyncContextManager[OpenNode]] | None = None
    adds_calls: Callable[[OpenNode], Sequence[Route]] | None = None
    """Calls for the API and its description."""
    adds_pages: Callable[[web.Application, OpenNode, HealthProbe, Entry], None] | None = None
    nouns: Mapping[str, Noun] = field(default_factory=dict)
    verbs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Modules that add verbs to a noun of the exchange, each by its `register`."""


_GROUP = "gateway.storeys"
_hung: list[Extension] = []


def hang(extension: Extension) -> None:
    """Add an extension to the whole process; the same one again changes nothing."""
    if extension not in _hung:
        _hung.append(extension)


@cache
def _load_installed() -> tuple[Extension, ...]:
    """Load those of other distributions, and only when needed: the search takes as long as printing a version."""
    from importlib.metadata import entry_points

    return tuple(e.load() for e in entry_points(group=_GROUP))


def _all() -> Sequence[Extension]:
    return (*_hung, *_load_installed())


def nouns() -> Mapping[str, Noun]:
    return {word: noun for s in _all() for word, noun in s.nouns.items()}


def verbs(noun: str) -> Sequence[str]:
    return [module for s in _all() for module in s.verbs.get(noun, ())]


def open_with_storeys(settings: Settings) -> AbstractAsyncContextManager[OpenNode]:
    """Open the node with everything that its settings want."""
    for extension in _extensions_for(settings):
        if extension.opens is not None:
            return extension.opens(settings)
    from gateway.bootstrap.node import open_node

    return open_node(settings)


def calls(node: OpenNode) -> Sequence[Route]:
    """Return the calls that extensions add to the API."""
    hung = [s.adds_calls(node) for s in _extensions_for(node.settings) if s.adds_calls is not None]
    return [route for s in hung for route in s]


def add_pages(app: web.Application, node: OpenNode, health: HealthProbe, entry: Entry) -> None:
    for extension in _extensions_for(node.settings):
        if extension.adds_pages is not None:
            extension.adds_pages(app, node, health, entry)


def _extensions_for(settings: Settings) -> Sequence[Extension]:
    """Return the extensions for these settings. A real node gets none of other distributions: theirs are for trials."""
    hung = _hung if settings.node.office == "on" else ()
    return (*hung, *_load_installed()) if settings.node.trial == "on" else hung
