"""Every document of the demonstration has one word, wherever it is shown. The tests use no browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from gateway.api.inbox_view import inbox_item
from gateway.api.message_view import message
from gateway.api.words import Lang
from gateway.cli import documents
from gateway.cli.command import Invocation
from gateway.document_view.facts import received_word, state_word
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import IncomingDocument, OutgoingDocument
from gateway.domain.states import REQUESTED
from gateway.domain.status import Fact, document_word, incoming_word
from gateway.incoming.document_context import DocumentContext
from gateway.ops.evidence import contents
from gateway_labs.demo import stage
from gateway_office.domain.roles import PostRole
from gateway_office.store.store import OfficeWork
from tests.office.pages.guest import Guest, at_work, calling
from tests.office.pages.site import Site
from tests.support.cases import Cases

_MOST = 500
_LANG: Lang = "vi"


async def _sent(
    site: Site, agency: HostedAgency, work: OfficeWork, document: OutgoingDocument
) -> tuple[str, Mapping[str, str]]:
    """Return the document's word by the one rule, and the word that each place shows."""
    deliveries = await work.deliveries.of_document(document.id)
    line = await work.office.lists.line(document.id)
    words = {
        "API": message(document, deliveries, _LANG).state,
        "evidence": contents.story_of(site.node, agency, document, deliveries, (), {}).state,
        **({"list": line.state} if line is not None else {}),
    }
    return document_word(document.state, [delivery.state for delivery in deliveries]), words


async def _received(
    site: Site, agency: HostedAgency, work: OfficeWork, document: IncomingDocument, facts: Sequence[Fact]
) -> tuple[str, Mapping[str, str]]:
    """Return the word of a received document, and the word that each place shows. While its sender asks for something, API
    and evidence tell the document's own state beside the request."""
    line, word = await work.office.lists.line(document.id), incoming_word(document, facts)
    own = {
        "API": inbox_item(document, None, None, _LANG).state,
        "evidence": contents.story_of(site.node, agency, document, (), (), {}).state,
    }
    lines = documents.incoming_lines(Invocation(), document, word, facts, DocumentContext())
    assert any(received_word(word, _LANG, document.kind) in text for text in lines)
    return word, {**({} if word in REQUESTED else own), **({"list": line.state} if line is not None else {})}


async def _heading(guest: Guest, path: str) -> str:
    page = await guest.get(path)
    assert page.status == 200
    return page.text.partition("<h1")[2].partition("<section")[0]


async def one_word_everywhere(site: Site, cases: Cases) -> None:
    words_by_id: dict[str, str] = {}
    person = site.person(PostRole.CLERK, "department")
    for agency in await site.node.store.hosted():
        async with site.node.store.read(AgencyScope(agency_id=agency.id, principal_id="node")) as work:
            sent = (await work.outgoing.page(limit=_MOST)).items
            arrived = (await work.incoming.page(limit=_MOST)).items
            facts = await work.facts.of_subjects([document.id for document in arrived])
            states = {document.id: await _sent(site, agency, work, document) for document in sent}
            states |= {
                document.id: await _received(site, agency, work, document, facts[document.id])
                for document in arrived
            }
        for id, (word, words) in states.items():
            with cases.case(id):
                assert words == dict.fromkeys(words, word)
        if agency.code == stage.cast().code("department"):
            whole_ids = {document.id for document in sent if document.kind.is_whole}
            whole_ids |= {document.id for document in arrived if document.kind.is_whole}
            words_by_id = {id: word for id, (word, _) in states.items() if id in whole_ids}
    assert {id[:4] for id in words_by_id} == {"msg_", "inb_"}
    async with calling(site.url) as guest:
        await at_work(site, guest, person)
        for id, word in words_by_id.items():
            with cases.case(f"page of {id}"):
                expected = received_word(word, _LANG) if id.startswith("inb_") else state_word(word, _LANG)
                place = "van-ban-den" if id.startswith("inb_") else "van-ban-di"
                assert expected in await _heading(guest, f"/{place}/{id}")


@pytest.mark.told
async def test_every_document_has_one_word_at_api_terminal_list_page_and_in_its_evidence(
    site: Site, cases: Cases
) -> None:
    await one_word_everywhere(site, cases)
