"""What another storey hangs into the doors of the exchange, which does not know it: a node that has more, calls of
the API, pages, commands. In: one `Storey` for each, hung in once by the program's entry, or by another distribution with
an entry point of the group `gateway.storeys`. Out: the node as its settings want it. Without one the exchange works
alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.api.entry import Entry
    from gateway.api.routes import Route
    from gateway.bootstrap.node import OpenNode
    from gateway.ports.services import HealthProbe
    from gateway.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """A first word of the command line: its sentence in the help, after which word it stands, the module that has it."""

    sentence: str
    after: str
    module: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Storey:
    """What it opens, what it answers, what it can be told; none of it need be there."""

    opens: Callable[[Settings], AbstractAsyncContextManager[OpenNode]] | None = None
    adds_calls: Callable[[OpenNode], Sequence[Route]] | None = None
    """To the API, and to its description."""
    adds_pages: Callable[[web.Application, OpenNode, HealthProbe, Entry], None] | None = None
    nouns: Mapping[str, Noun] = field(default_factory=dict)
    verbs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Modules that add verbs to a noun of the exchange, each by its `register`."""


_GROUP = "gateway.storeys"
_hung: list[Storey] = []


def hang(storey: Storey) -> None:
    """For the whole process; the same one again changes nothing."""
    if storey not in _hung:
        _hung.append(storey)


@cache
def _of_others() -> tuple[Storey, ...]:
    """Those of other distributions. Looked for when they are wanted: to look takes as long as to say a version."""
    from importlib.metadata import entry_points

    return tuple(each.load() for each in entry_points(group=_GROUP))


def _all() -> Sequence[Storey]:
    return (*_hung, *_of_others())


def nouns() -> Mapping[str, Noun]:
    return {word: noun for each in _all() for word, noun in each.nouns.items()}


def verbs(noun: str) -> Sequence[str]:
    return [module for each in _all() for module in each.verbs.get(noun, ())]


def open_whole(settings: Settings) -> AbstractAsyncContextManager[OpenNode]:
    """The node with everything that its settings want."""
    for each in _wanted(settings):
        if each.opens is not None:
            return each.opens(settings)
    from gateway.bootstrap.node import open_node

    return open_node(settings)


def calls(node: OpenNode) -> Sequence[Route]:
    """What the API answers besides the calls of the exchange."""
    hung = [each.adds_calls(node) for each in _wanted(node.settings) if each.adds_calls is not None]
    return [route for each in hung for route in each]


def add_pages(app: web.Application, node: OpenNode, health: HealthProbe, entry: Entry) -> None:
    for each in _wanted(node.settings):
        if each.adds_pages is not None:
            each.adds_pages(app, node, health, entry)


def _wanted(settings: Settings) -> Sequence[Storey]:
    """A real node is given nothing by other distributions: what they bring to a node is for trials."""
    hung = _hung if settings.node.office == "on" else ()
    return (*hung, *_of_others()) if settings.node.trial == "on" else hung
