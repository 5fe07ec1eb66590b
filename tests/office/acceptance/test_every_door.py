"""Accepted means that it can be sent, through every door: whatever programs and people write over the API, at the command
line and on the page of a new document, what is accepted is admitted by its recipient, and every status that a door accepts
reaches the sender. So many documents are tried over all doors; EVERY_DOOR says how many in the long run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import pytest
import typer
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gateway.cli import send as command
from gateway.cli.command import Invocation
from gateway.cli.node import CommandContext
from gateway.domain.account import AgencyScope
from gateway.domain.document import Draft, FileRole, IncomingDocument, InState, Recipient, Staff
from gateway.domain.states import Track
from gateway.errors import Clash, Refused
from gateway.incoming import act
from gateway.incoming.act import StatusCall
from gateway.outgoing import drafting, manage
from gateway.outgoing.intake import Order, receive_files
from gateway_office.web.forms import Form
from gateway_office.web.pages.compose import fields
from tests.office.support import api
from tests.office.support.api import DEPARTMENT, PDF, PROVINCE, OfficeDoor
from tests.office.support.town import lay_out
from tests.support import request_fields

T = TypeVar("T")
DOCUMENTS = [
    30,
    pytest.param(int(os.environ.get("EVERY_DOOR", "120")), marks=pytest.mark.long, id="many"),
]
# The page's own names of its fields, by those of the API.
_OF_PAGE = {
    "number": "number",
    "symbol": "symbol",
    "type": "type",
    "subject": "subject",
    "place": "place",
    "signer/name": "name",
    "signer/title": "title",
    "signer/competence": "competence",
    "file_code/notation": "file_notation",
    "file_code/organ": "file_organ",
}


@dataclass(frozen=True, kw_only=True)
class Office:
    """The node, and who hands in to it."""

    door: OfficeDoor
    folder: Path
    sender: AgencyScope
    receiver: AgencyScope


@pytest.fixture
async def office(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> AsyncIterator[Office]:
    blank = tmp_path_factory.mktemp("stage")
    await lay_out(blank)
    async with api.opened(blank, tmp_path / "node") as door:
        scopes = [await _scope(door, code) for code in (DEPARTMENT, PROVINCE)]
        (tmp_path / "15.pdf").write_bytes(PDF)
        yield Office(door=door, folder=tmp_path, sender=scopes[0], receiver=scopes[1])


@pytest.mark.parametrize("documents", DOCUMENTS)
@pytest.mark.timeout(3600)
async def test_what_any_door_accepts_is_admitted_and_every_accepted_status_reaches_the_sender(
    office: Office, documents: int
) -> None:
    doors = (_over_the_api, _at_the_command_line, _on_the_page)
    accepted: dict[str, str] = {}
    for n, raw in enumerate(_drawn(request_fields.messages(15), documents)):
        door = doors[n % len(doors)]
        raw["number"] = str(n + 1) if raw["number"] == "15" else raw["number"]
        raw["recipients"] = [{"code": PROVINCE, "role": "to_act"}]
        id = await door(office, raw)
        if id is not None:
            accepted[id] = door.__name__
        if n % 50 == 49:
            await office.door.carry()
    await _settled(office)

    assert {door.__name__ for door in doors} == set(accepted.values())
    assert len(accepted) >= documents // 4
    arrived = await _arrived(office)
    async with office.door.node.store.read(office.sender) as work:
        sent = [await work.outgoing.get(id) for id in accepted]
        states = {
            document.id: [delivery.state for delivery in await work.deliveries.of_document(document.id)]
            for document in sent
        }
    assert {id: state for id, state in states.items() if state != ["delivered"]} == {}
    assert {document.packet_id for document in sent} == {document.packet_id for document in arrived}
    await _statuses(office, arrived)


async def _statuses(office: Office, arrived: list[IncomingDocument]) -> None:
    """Send one status about each document, over the API and through what command line and pages call."""
    codes_sent: dict[str, str] = {}
    for n, (document, raw) in enumerate(
        zip(arrived, _drawn(request_fields.statuses(), len(arrived)), strict=True)
    ):
        is_sent = await (_status_over_the_api if n % 2 else _status_by_hand)(office, document, raw)
        if is_sent and document.state in (InState.NEW, InState.HELD):
            codes_sent[document.packet_id or ""] = raw["code"]
    await _settled(office)

    assert len(codes_sent) >= len(arrived) // 4
    async with office.door.node.store.read(office.sender) as work:
        rows = (await work.inbox.page(limit=10_000)).items
        assert [(x.state, x.code, x.reason) for x in rows if x.state != "done"] == []
        for packet_id, code in codes_sent.items():
            sent = await work.outgoing.by_packet_id(packet_id)
            assert sent is not None
            (delivery,) = await work.deliveries.of_document(sent.id)
            facts = await work.facts.of_subject(delivery.id)
            assert code in [x.code for x in facts if x.track is Track.BUSINESS], (sent.id, code)
            assert all(x.proved for x in facts if x.code == code)
    assert (await office.door.node.store.counts())["job.waiting"] == 0


async def _settled(office: Office) -> None:
    """Carry everything until no work waits, with retries that a busy machine caused."""
    for _ in range(5):
        await office.door.carry()
        counts = await office.door.node.store.counts()
        if not any(counts.get(name) for name in ("job.waiting", "outbox.waiting", "inbox.landed")):
            return
        office.door.clock.advance(300)


async def _over_the_api(office: Office, raw: dict[str, Any]) -> str | None:
    answer = await office.door.send(raw, once=hashlib.sha256(json.dumps(raw).encode()).hexdigest())
    assert answer.status in (202, 400, 409, 422), answer
    return str(answer.json["id"]) if answer.status == 202 else None


async def _at_the_command_line(office: Office, raw: dict[str, Any]) -> str | None:
    meta = office.folder / "meta.json"
    meta.write_text(json.dumps(raw))
    node = office.door.node
    agency = await node.store.accounts.hosted_by_code(DEPARTMENT)
    assert agency is not None
    try:
        message = command.read_message(meta, {})
        order = Order(draft=message.to_draft(), send=message.send)
        context = CommandContext(node=node, agency=agency, scope=office.sender)
        accepted = await command.hand_in(
            Invocation(quiet=True), context, order, [office.folder / "15.pdf"], []
        )
    except (typer.BadParameter, Refused, Clash):
        return None
    assert accepted is not None
    assert accepted.document is not None
    return accepted.document.id


async def _on_the_page(office: Office, raw: dict[str, Any]) -> str | None:
    """Make a draft of the form's fields, check and send it, as the buttons of the page do."""
    out = office.door.node.out
    flat = {name: (_text(raw, path),) for path, name in _OF_PAGE.items() if _text(raw, path)}
    form = Form(MappingProxyType({**flat, "date": ("20/11/2026",), "reply": ("no",)}))
    draft, _ = fields.read_draft(form, Draft(), out.today())
    draft = replace(draft, recipients=(Recipient(code=PROVINCE),))
    try:
        begun = await drafting.begin(out, office.sender, draft)
        async with receive_files(out) as request_files:
            await request_files.add("lead", "15.pdf", FileRole.LEAD, _pieces())
            stored = await drafting.add_files(out, office.sender, begun.id, request_files)
        return (await manage.send_draft(out, office.sender, stored.id)).id
    except (Refused, Clash):
        return None


async def _status_over_the_api(office: Office, document: IncomingDocument, raw: dict[str, Any]) -> bool:
    answer = await office.door.ask("POST", f"/inbox/{document.id}/status", agency=PROVINCE, json=raw)
    assert answer.status in (200, 400, 422), answer
    return answer.status == 200


async def _status_by_hand(office: Office, document: IncomingDocument, raw: dict[str, Any]) -> bool:
    given_staff = {name: raw["staff"].get(name) for name in ("name", "department", "phone", "email")}
    call = StatusCall(
        code=raw["code"], note=raw.get("note"), reason=raw.get("reason"), staff=Staff(**given_staff)
    )
    try:
        await act.set_status(office.door.node.inn, office.receiver, document.id, call)
    except Refused:
        return False
    return True


async def _arrived(office: Office) -> list[IncomingDocument]:
    async with office.door.node.store.read(office.receiver) as work:
        return list((await work.incoming.page(limit=10_000)).items)


async def _scope(door: OfficeDoor, code: str) -> AgencyScope:
    agency = await door.node.store.accounts.hosted_by_code(code)
    assert agency is not None
    return AgencyScope(agency_id=agency.id, principal_id="clerk")


async def _pieces() -> AsyncIterator[bytes]:
    yield PDF


def _text(raw: dict[str, Any], path: str) -> str:
    first, _, tail = path.partition("/")
    value = raw.get(first) or ""
    return str(value.get(tail) or "") if isinstance(value, dict) else str(value)


def _drawn(strategy: st.SearchStrategy[T], count: int) -> list[T]:
    """Draw a fixed number of examples, the same each time."""
    examples: list[T] = []

    @settings(max_examples=count, derandomize=True, database=None, phases=[Phase.generate])
    @given(strategy)
    def draw(example: T) -> None:
        examples.append(example)

    draw()
    while len(examples) < count:
        examples += examples[: count - len(examples)]
    return examples[:count]
