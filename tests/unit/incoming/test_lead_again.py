"""The same lead file under another number of one sender is marked for the receiver; the sender has to confirm it."""

from __future__ import annotations

from gateway.domain.document import DocumentChange, Kind
from tests.support.api import pdf
from tests.support.node import COMMUNE, DEPARTMENT, PROVINCE, Town

FILE, OTHER = (("a.pdf", pdf(3)),), (("a.pdf", pdf(4)),)


async def marks(town: Town) -> dict[str, tuple[str, ...]]:
    documents = await town.incoming(PROVINCE)
    return {d.number: tuple(mark for mark in d.marks if mark.startswith("lead_again")) for d in documents}


async def test_the_second_names_the_first_and_another_file_or_sender_names_none(town: Town) -> None:
    for number, files, sender in (
        ("11", FILE, DEPARTMENT),
        ("12", FILE, DEPARTMENT),
        ("13", OTHER, DEPARTMENT),
        ("14", FILE, COMMUNE),
    ):
        await town.send(number, files=files, sender=sender)
        await town.carry()

    assert await marks(town) == {"11": (), "12": ("lead_again:11/STD-VP",), "13": (), "14": ()}


async def test_a_document_that_was_refused_or_is_replaced_is_not_named(town: Town) -> None:
    refused = await town.send("11", files=FILE)
    await town.carry()
    await town.status(await town.as_incoming(refused), "02")
    await town.carry()
    resent = await town.send("12", files=FILE)
    await town.carry()
    change = DocumentChange(reason="Sửa số", replaces=((resent.document_id, (PROVINCE,)),))
    await town.send("13", files=FILE, kind=Kind.REPLACEMENT, parent_id=resent.id, change=change)
    await town.carry()

    assert await marks(town) == {"11": (), "12": (), "13": ()}
