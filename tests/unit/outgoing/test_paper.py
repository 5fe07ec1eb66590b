"""Documents on paper: they are accepted and entered like any other, never travel alone, wait on the dispatch list until
a person says when and how they went, and are neither late nor failed meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from gateway.domain.document import (
    DeliveryMode,
    DocumentChange,
    FileItem,
    FileRole,
    Kind,
    OutState,
    ReplyLink,
)
from gateway.domain.identity import Digest
from gateway.domain.signatures import LegalValue
from gateway.errors import Clash, Refused
from gateway.outgoing import files, manage
from gateway.outgoing.manage import PaperLine
from gateway.policy import outgoing as rules
from gateway.policy.outgoing import Handover, Means
from gateway.policy.profile import Profile
from tests.support.cases import Cases
from tests.support.node import COMMUNE, DEPARTMENT, PROVINCE, Town, draft
from tests.support.statements import noted_statements

PAPER, BOTH = DeliveryMode.PAPER, DeliveryMode.BOTH


async def waiting(town: Town, at: str = DEPARTMENT) -> list[PaperLine]:
    async with town.node.store.read(await town.scope(at)) as work:
        return await manage.paper_waiting(work)


async def hand_over(town: Town, id: str, *to: str, on: date | None = None, **more: Any) -> None:
    handover = Handover(on=on or town.node.out.today(), **({"means": Means.POST} | more))
    await manage.close_paper(town.node.out, await town.scope(DEPARTMENT), id, handover, to)


async def test_the_letters_of_many_documents_are_listed_with_one_query_of_documents(town: Town) -> None:
    for number in ("15", "16", "17"):
        await town.send(number, delivery_mode=PAPER)

    with noted_statements() as statements:
        lines = await waiting(town)

    assert [line.document.draft.number for line in lines] == ["15", "16", "17"]
    assert statements.reads("outgoing_document") == 1


async def test_both_travels_and_is_on_the_list_too(town: Town) -> None:
    """Its recall is no letter on paper."""
    sent = await town.send("15", delivery_mode=BOTH)
    await town.carry()

    assert (await town.delivery(sent)).state == "delivered"
    await town.recall(sent)
    await town.carry()
    assert [line.document.id for line in await waiting(town)] == [sent.id]
    earlier_state = (await town.delivery(sent)).state
    await hand_over(town, sent.id)
    assert await waiting(town) == []
    assert (await town.delivery(sent)).state == earlier_state


async def test_what_is_said_of_it_is_checked_and_changes_nothing_when_refused(
    town: Town, cases: Cases
) -> None:
    today = town.node.out.today()
    sent = await town.send("15", delivery_mode=PAPER, issued_on=today)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"on": today + timedelta(days=1)}, "/on"),
        ({"on": today - timedelta(days=400)}, "before-its-date at /on"),
        ({"means": Means.OTHER}, "/note"),
        ({"note": "x" * 501}, "/note"),
        ({"note": "a\x0bb"}, "/note"),
    ]
    for fields, pointer in wrong:
        with cases.case(fields), pytest.raises(Refused, match=pointer):
            await hand_over(town, sent.id, **fields)

    assert len(await waiting(town)) == 1


async def test_what_does_not_go_on_paper_and_anothers_document_are_not_closed(town: Town) -> None:
    electronic = await town.send("15")
    sent = await town.send("16", delivery_mode=PAPER)

    with pytest.raises(Clash, match="nothing of"):
        await hand_over(town, electronic.id)
    with pytest.raises(Refused, match="recipient-unknown"):
        await hand_over(town, sent.id, COMMUNE)
    assert await waiting(town, PROVINCE) == []


async def test_it_is_cancelled_until_it_was_handed_over_and_not_again_after(town: Town) -> None:
    """A sealed one waits for no handover either."""
    scope = await town.scope(DEPARTMENT)
    first, second, third = [await town.send(n, delivery_mode=PAPER) for n in ("15", "16", "17")]
    await hand_over(town, second.id)

    cancelled = await manage.cancel(town.node.out, scope, first.id)
    with pytest.raises(Clash, match="handed over on paper"):
        await manage.cancel(town.node.out, scope, second.id)
    with pytest.raises(Clash, match="never over the axis"):
        await manage.resend(town.node.out, scope, second.id)
    await files.seal_document(town.node.out, town.node.hold, scope, third.id, "Có dấu Mật")

    assert (cancelled.state, (await town.delivery(first)).state) == (OutState.CANCELLED, "cancelled")
    assert (await town.document(third)).state is OutState.CANCELLED
    assert await waiting(town) == []
    assert (await town.delivery(second)).state == "paper"


async def test_what_changes_a_document_and_what_it_changes_both_travel(town: Town) -> None:
    on_paper = await town.send("15", delivery_mode=PAPER)
    electronic = await town.send("16")
    await town.carry()

    for act in (town.update(on_paper), town.recall(on_paper), town.replacement(on_paper, "17")):
        with pytest.raises(Refused, match="parent-on-paper"):
            await act
    change = DocumentChange(reason="Sửa trích yếu", target=electronic.document_id)
    with pytest.raises(Refused, match="change-on-paper"):
        await town.send("16", kind=Kind.UPDATE, parent_id=electronic.id, delivery_mode=PAPER, change=change)


async def test_a_file_is_not_needed_and_no_signature_is_asked_of_one(town: Town) -> None:
    bare = await town.send("15", files=(), delivery_mode=PAPER)
    with pytest.raises(Refused, match="lead-count"):
        await town.send("16", files=(), delivery_mode=BOTH)

    assert bare.state is OutState.PAPER
    assert (await waiting(town))[0].printed == ()


async def test_a_reply_on_paper_ends_the_wait_for_it_once_it_was_handed_over(town: Town) -> None:
    question = await town.send("88", DEPARTMENT, sender=PROVINCE, reply_required=True)
    await town.carry()
    (letter,) = await town.incoming(DEPARTMENT)
    today, number = town.node.out.today(), question.draft.code
    link = ReplyLink(agency=PROVINCE, number=number, date=today, document_id=question.document_id)
    reply = await town.send("15", delivery_mode=PAPER, replies_to=(link,))
    assert (await town.reload(letter)).answered_by == ()

    await hand_over(town, reply.id)

    assert (await town.reload(letter)).answered_by == (reply.id,)


def document_of(type_key: str, mode: DeliveryMode | None = None) -> Any:
    return replace(draft("15", PROVINCE), type_key=type_key, delivery_mode=mode)


def test_the_senders_word_then_the_agencys_table_then_the_signatures_then_the_class_say_how_it_goes() -> None:
    """R6 (paper by table)."""
    official, own_invitation = LegalValue.OFFICIAL, {"giay_moi": PAPER}
    rows: list[tuple[str, DeliveryMode | None, LegalValue | None, Any, str]] = [
        ("cong_van", None, None, {}, "electronic"),
        ("to_trinh", None, None, {}, "both"),
        ("to_trinh", None, official, {}, "electronic"),
        ("to_trinh", None, official, {"to_trinh": BOTH}, "both"),
        ("giay_moi", None, None, own_invitation, "paper"),
        ("giay_moi", BOTH, official, own_invitation, "both"),
        ("", None, None, {"": PAPER}, "paper"),
    ]
    for type_key, fields, worth, own, mode in rows:
        assert (
            rules.delivery_mode_of(document_of(type_key, fields), worth, Profile(delivery_modes=own)).value
            == mode
        )


async def test_what_the_sender_leaves_open_is_settled_when_it_is_accepted_and_not_in_a_draft(
    town: Town,
) -> None:
    stored = await town.send("15", send=False, type_key="to_trinh")
    sent = await town.send("16", type_key="to_trinh")

    assert (stored.draft.delivery_mode, sent.draft.delivery_mode) == (None, BOTH)


def test_attachments_of_an_invitation_that_travels_are_not_printed() -> None:
    """R7 (attachments go electronically)."""
    roles = (FileRole.LEAD, FileRole.SOURCE, FileRole.APPENDIX, FileRole.REFERENCE)
    files = [
        FileItem(n=n, name=name, role=role, content_type="pdf", size=1, sha256=Digest.of_bytes(bytes(32)))
        for n, (name, role) in enumerate(zip("abcd", roles, strict=True), 1)
    ]

    for type_key, mode, names in (
        ("cong_van", BOTH, "acd"),
        ("giay_moi", BOTH, "a"),
        ("giay_moi", PAPER, "acd"),
    ):
        printed = rules.printed_files(document_of(type_key, mode), files)
        assert "".join(x.name for x in printed) == names
