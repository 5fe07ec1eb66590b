"""A draft that a person works on, sent with time to call it back."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.document import DocumentChange, Draft, FileRole, OutgoingDocument, OutState, Recipient
from gateway.errors import Clash, Refused, StaleVersion
from gateway.outgoing import drafting, manage
from gateway.outgoing.intake import receive_files
from tests.support.node import COMMUNE, DEPARTMENT, PDF, PROVINCE, Town, draft

LEAD, SOURCE, APPENDIX = FileRole.LEAD, FileRole.SOURCE, FileRole.APPENDIX
WAIT = timedelta(seconds=30)


async def bytes_of(raw: bytes) -> AsyncIterator[bytes]:
    with io.BytesIO(raw) as source:
        while piece := source.read(7_000):
            yield piece


async def begun(
    town: Town, content: Draft | None = None, *files: tuple[str, FileRole, bytes]
) -> OutgoingDocument:
    scope = await town.scope(DEPARTMENT)
    document = await drafting.begin(town.node.out, scope, content or draft("15", PROVINCE))
    return await brought(town, document, *files) if files else document


async def brought(
    town: Town, document: OutgoingDocument, *files: tuple[str, FileRole, bytes]
) -> OutgoingDocument:
    async with receive_files(town.node.out) as request_files:
        for name, role, raw in files:
            await request_files.add(role, name, role, bytes_of(raw))
        return await drafting.add_files(
            town.node.out, await town.scope(DEPARTMENT), document.id, request_files
        )


async def test_a_draft_grows_by_parts_and_leaves_as_it_was_last(town: Town) -> None:
    scope = await town.scope(DEPARTMENT)
    document = await begun(town, Draft())
    document = await brought(town, document, ("a.pdf", LEAD, PDF), ("b.txt", SOURCE, "Bản thảo".encode()))
    same = await drafting.save(town.node.out, scope, document.id, Draft())
    saved = await drafting.save(town.node.out, scope, document.id, draft("16", PROVINCE))

    assert same.version == document.version
    assert saved.document_id == f"{DEPARTMENT},2026/11/20,16/STD-VP"
    await manage.send_draft(town.node.out, scope, document.id)
    await town.carry()
    (arrived,) = await town.incoming()
    assert (arrived.number, [file.name for file in arrived.files]) == ("16", ["a.pdf", "b.txt"])
    with pytest.raises(Clash, match="not a draft"):
        await drafting.save(town.node.out, scope, document.id, draft("17", PROVINCE))


async def test_files_are_put_in_order_replaced_and_taken_away_with_their_bytes(town: Town) -> None:
    scope = await town.scope(DEPARTMENT)
    first = await begun(
        town, None, ("x.txt", APPENDIX, b"one"), ("old.pdf", LEAD, PDF), ("x.txt", SOURCE, b"two")
    )
    assert [(file.n, file.name, file.role) for file in first.files] == [
        (1, "old.pdf", LEAD),
        (2, "x.txt", APPENDIX),
        (3, "x (2).txt", SOURCE),
    ]

    replaced = await brought(town, first, ("new.pdf", LEAD, PDF + b"\n"))
    assert [file.name for file in replaced.files] == ["new.pdf", "x.txt", "x (2).txt"]
    turned = await drafting.arrange(town.node.out, scope, first.id, [(1, LEAD), (3, APPENDIX)])
    assert [(file.name, file.role) for file in turned.files] == [("new.pdf", LEAD), ("x (2).txt", APPENDIX)]
    async with town.node.store.read(scope) as work:
        assert set(await work.blobs.of_owner("source", first.id)) == {file.sha256 for file in turned.files}
    with pytest.raises(Clash, match="others by now"):
        await drafting.arrange(town.node.out, scope, first.id, [(3, LEAD)])
    with pytest.raises(StaleVersion):
        await drafting.arrange(town.node.out, scope, first.id, [(1, LEAD)], expect_version=first.version)


async def test_what_may_never_be_stored_is_not_stored_in_a_draft(town: Town) -> None:
    scope = await town.scope(DEPARTMENT)
    with pytest.raises(Refused, match="secrecy-declared"):
        await drafting.begin(town.node.out, scope, replace(draft("15", PROVINCE), secrecy="mat"))
    document = await begun(town, None, ("a.pdf", LEAD, PDF))
    with pytest.raises(Refused, match="secrecy-declared"):
        await drafting.save(
            town.node.out, scope, document.id, replace(draft("15", PROVINCE), secrecy="toi_mat")
        )
    with pytest.raises(Refused, match="type-not-allowed"):
        await brought(town, document, ("b.txt", SOURCE, b"good"), ("run.exe", APPENDIX, b"MZ" + bytes(200)))

    assert await town.count("outgoing_document") == 1
    assert await town.count("blob") == 1


async def test_what_a_machine_read_and_nobody_confirmed_does_not_leave(town: Town) -> None:
    scope = await town.scope(DEPARTMENT)
    document = await begun(town, None, ("a.pdf", LEAD, PDF))
    await drafting.save(town.node.out, scope, document.id, document.draft, doubts=[("number", "label")])

    with pytest.raises(Refused, match="unconfirmed at /number"):
        await manage.send_draft(town.node.out, scope, document.id)
    await drafting.save(town.node.out, scope, document.id, document.draft)
    assert (await manage.send_draft(town.node.out, scope, document.id)).state is OutState.QUEUED


async def test_a_check_names_what_was_sent_under_the_same_number(town: Town) -> None:
    scope = await town.scope(DEPARTMENT)
    sent = await town.send("15", files=(("a.pdf", PDF),))
    document = await begun(town, draft("15", COMMUNE), ("a.pdf", LEAD, PDF))

    checked = await drafting.recheck(town.node.out, scope, document.id)

    assert checked.verdict.allowed
    assert [x.id for x in checked.earlier] == [sent.id]


def test_an_update_tells_whom_it_adds_and_whom_it_leaves_out() -> None:
    sent_to = (Recipient(code=PROVINCE), Recipient(code=COMMUNE))
    edited = draft("15", COMMUNE, "Z91.20")
    merged, change = drafting.compare_receivers(edited, DocumentChange(reason="Sửa nơi nhận"), sent_to)

    assert (change.receivers_added, change.receivers_removed) == (("Z91.20",), (PROVINCE,))
    assert [recipient.code for recipient in merged.recipients] == [COMMUNE, "Z91.20", PROVINCE]
    assert drafting.remaining(merged, change) == edited.recipients
    assert (
        drafting.compare_receivers(draft("15", COMMUNE, PROVINCE), change, sent_to)[1].receivers_changed
        is False
    )
