"""Every use case refuses the acts that the table of standings forbids; the allowed acts on a recalled document are done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from gateway.domain.document import DeliveryMode, OutgoingDocument, Recipient
from gateway.domain.outgoing_acts import Act, Standing, objection, standing_of
from gateway.errors import Clash, Refused
from gateway.outgoing import manage, more_recipients, recall
from gateway_office.letters import follow_up
from tests.office.support.node import COMMUNE, DEPARTMENT, PROVINCE, OfficeTown
from tests.support.cases import Cases
from tests.unit.outgoing.test_endings import seal


async def attempt(town: OfficeTown, act: Act, document: OutgoingDocument) -> object:
    """Do the act by its use case."""
    out, scope, id = town.node.out, await town.scope(DEPARTMENT), document.id
    match act:
        case Act.RESEND:
            return await manage.resend(out, scope, id, [r.code for r in document.draft.recipients[:1]])
        case Act.CORRECT:
            return await follow_up.begin_correction(out, scope, id)
        case Act.ADD_RECIPIENTS:
            recipient = Recipient(code=COMMUNE, role=document.draft.recipients[0].role)
            return await more_recipients.send_to_more(out, scope, id, (recipient,))
        case Act.REPLACE:
            return await town.replacement(document, f"9{document.draft.number}")
        case Act.UPDATE:
            return await town.update(document)
        case Act.RECALL:
            return await town.recall(document)
        case Act.CANCEL:
            return await manage.cancel(out, scope, id)
        case _:
            raise AssertionError(f"{act} has no use case of a document")


_ON_PAGES = (Act.URGE, Act.SLIP)


async def recall_from(town: OfficeTown, document: OutgoingDocument, code: str) -> None:
    out, scope = town.node.out, await town.scope(DEPARTMENT)
    why, by = "Gửi nhầm", "Giám đốc Mẫu"
    await recall.recall(
        out, scope, document.id, reason=why, approved_by=by, notice_no="7/TB", recipients=(code,)
    )


async def _cancelled(town: OfficeTown) -> OutgoingDocument:
    sent = await town.send("11")
    await manage.cancel(town.node.out, await town.scope(DEPARTMENT), sent.id)
    return sent


async def _deliver(town: OfficeTown, number: str = "12", *to: str) -> OutgoingDocument:
    sent = await town.send(number, *(to or (PROVINCE,)))
    await town.carry()
    return sent


async def _recalled(town: OfficeTown) -> OutgoingDocument:
    """Recall a document that was not yet taken in, so that its receiver's node agrees by itself."""
    sent = await _deliver(town, "13")
    await town.recall(sent)
    await town.carry()
    return sent


async def _open_recall(town: OfficeTown) -> OutgoingDocument:
    sent = await _deliver(town, "14")
    await town.status(await town.as_incoming(sent), "03")
    await town.carry()
    await town.recall(sent)
    return sent


async def _sealed(town: OfficeTown) -> OutgoingDocument:
    sent = await _deliver(town, "15")
    await seal(town, sent)
    return sent


async def _update(town: OfficeTown) -> OutgoingDocument:
    return await town.update(await _deliver(town, "16"))


async def _queued(town: OfficeTown) -> OutgoingDocument:
    draft = await town.send("19", send=False)
    return await manage.send_draft(town.node.out, await town.scope(DEPARTMENT), draft.id)


_MAKERS: dict[Standing, Callable[[OfficeTown], Awaitable[OutgoingDocument]]] = {
    Standing.SEALED: _sealed,
    Standing.CANCELLED: _cancelled,
    Standing.DRAFT: lambda town: town.send("17", send=False),
    Standing.PART: _update,
    Standing.RECALL_OPEN: _open_recall,
    Standing.RECALLED: _recalled,
    Standing.PAPER: lambda town: town.send("18", delivery_mode=DeliveryMode.PAPER),
    Standing.QUEUED: _queued,
}


async def test_every_use_case_refuses_what_the_table_forbids(town: OfficeTown, cases: Cases) -> None:
    await town._host()
    for standing, make in _MAKERS.items():
        document = await town.document(await make(town))
        states = {d.state for d in (await town.deliveries(document)).values()}
        assert standing_of(document, states) is standing
        for act in Act:
            if act in _ON_PAGES or not objection(standing, act):
                continue
            with cases.case(f"{standing} × {act}"), pytest.raises((Clash, Refused)):
                await attempt(town, act, document)
            assert await town.document(document) == document


async def test_a_second_sending_of_a_recalled_document_is_refused_with_the_reason(town: OfficeTown) -> None:
    """The recipient that failed gets no letter that the others were asked to give back."""
    sent = await _deliver(town, "21", PROVINCE, COMMUNE)
    await town.status(await town.as_incoming(sent), "03")
    await town.carry()
    await recall_from(town, sent, PROVINCE)

    for act in (Act.RESEND, Act.ADD_RECIPIENTS, Act.REPLACE):
        with pytest.raises(Clash) as clash:
            await attempt(town, act, sent)
        assert clash.value.code == "GW-RECALL-OPEN"
    await recall_from(town, sent, COMMUNE)
    assert {d.state for d in (await town.deliveries(sent)).values()} == {"recall_asked"}


async def test_a_document_that_was_given_back_is_replaced_and_never_resent(town: OfficeTown) -> None:
    sent = await town.document(await _recalled(town))
    with pytest.raises(Clash) as clash:
        await attempt(town, Act.RESEND, sent)
    assert clash.value.code == "GW-RECALLED"
    replacement = await attempt(town, Act.REPLACE, sent)
    assert isinstance(replacement, OutgoingDocument)
