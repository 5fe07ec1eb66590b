"""Wires the pages: everything that people see over an open node. In: a node, what watches it, the way in from the
network. Out: their routes, and what they work with: the desks, what `office.node` has of the node,
the light of the axis, which is `up`, `slow`, `partly` or `down` and since when, from memory. Loaded when
somebody first asks for a page."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from gateway import __version__
from gateway.api.app import REQUEST_ID
from gateway.api.entry import Entry
from gateway.edxml import workbook
from gateway.office.bootstrap.office import Office
from gateway.office.node import exchange
from gateway.office.node.exchange import (
    AxisDeadLetters,
    NodeContacts,
    PacketViews,
    QuarantinedPackets,
    TokenSigning,
)
from gateway.office.node.journal import NodeJournal
from gateway.office.node.machine import BackupCopies, NodeMachine
from gateway.office.ringing import RingBoard
from gateway.office.telling import NoticeBoard
from gateway.office.todo import TaskBell
from gateway.office.web import icons
from gateway.office.web.app import add_pages, add_static, add_status
from gateway.office.web.deps import Light, Operations, Previews, WebDeps
from gateway.ops.evidence.make import EvidenceMaker
from gateway.ports import AxisDesk, HealthProbe


def axis_light(axis: AxisDesk) -> Callable[[], Light]:
    def light() -> Light:
        state = axis.state()
        if state.blocked_since is not None:
            return Light(word="slow", since=state.blocked_since)
        # An axis that nobody needed yet is well.
        if state.connected_since is None and state.down_since is not None:
            return Light(word="down", since=state.down_since)
        if state.down_since is not None:  # of several one is away
            return Light(word="partly", since=state.down_since)
        return Light(word="up")

    return light


def routes(node: Office, deps: WebDeps) -> web.UrlDispatcher:
    """The status page, the static files, every page."""
    made = web.UrlDispatcher()
    add_status(made, node.store, node.clock, __version__)
    add_static(made)
    if deps.emblem:
        icons.add_emblem(made, deps.emblem)
    add_pages(made, deps)
    made.freeze()
    return made


def pages(node: Office, health: HealthProbe, entry: Entry) -> WebDeps:
    """What the pages work with."""
    bell, aside, contacts = TaskBell(node.todo, node.beside), QuarantinedPackets(node), NodeContacts(node)
    settings = node.settings.pages
    return WebDeps(
        store=node.store,
        blobs=node.blobs,
        accounts=node.accounts,
        deciding=node.deciding,
        hold=node.hold,
        out=node.out,
        inn=node.inn,
        todo=node.todo,
        book=node.book,
        registry=node.directory,
        contacts=contacts,
        certificate=exchange.certificate_facts,
        workbook=workbook.first_sheet,
        clock=node.clock,
        pool=node.pool,
        health=health,
        bell=bell,
        rings=RingBoard(bell=bell, aside=aside.waiting, partners=contacts.partners),
        keys=node.store.accounts,
        calls=node.store.calls,
        webhooks=node.webhooks,
        keepings=node.store.keepings,
        previews=Previews(keepings=node.store.keepings, planned=node.directory.plan_import, pool=node.pool),
        looking=node.looking,
        packets=PacketViews(node, EvidenceMaker(node)),
        signing=TokenSigning(node),
        operations=Operations(
            machine=NodeMachine(node, health),
            dead=AxisDeadLetters(node),
            aside=aside,
            copies=BackupCopies(node),
            journal=NodeJournal(node),
        ),
        notices=NoticeBoard(desk=node.todo, rows=node.store.notices),
        light=axis_light(node.axis),
        request_id=lambda request: request.get(REQUEST_ID, ""),
        address=entry.address,
        version=__version__,
        settings=settings,
        naming=node.settings.accounts,
        calls_days=node.settings.api.calls_days,
        ribbon="on" in (settings.ribbon, node.settings.node.trial),
        emblem=icons.read_emblem(settings.emblem) if settings.emblem else None,
    )
