"""A small packet comes to its end in the unit that lands it; and to the same end as by the steps one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast
from unittest.mock import patch

import pytest

from gateway.domain.identity import Digest
from gateway.edxml import verify as envelopes
from gateway.errors import SignerDown, StoreFailure
from gateway.incoming import receive
from gateway.incoming.services import TAKEN_AT_ONCE
from gateway.ports.services import Scanner
from gateway.store.work import SqlWork
from gateway.trust.keys import FileSigner
from tests.support.cases import Cases
from tests.support.clock import START
from tests.support.faulty import Faulty
from tests.support.node import (
    COMMUNE,
    LEASE_S,
    PDF,
    PROVINCE,
    Packet,
    Town,
    document,
    opened,
    recall_of,
    replacement_of,
    status_about,
    update_of,
)

FILES = (("van-ban.pdf", PDF),)
SIGNED = PDF + b"\n% /ByteRange [0 1 2 3] /SubFilter\n"


async def landed(town: Town, packet: Packet) -> str:
    await town.deliver(packet)
    await town.land(by_steps=False)
    return (await town.row(PROVINCE, packet)).state


async def test_one_unit_lands_it_takes_it_in_and_answers(town: Town) -> None:
    packet = town.forge(document(), FILES)

    assert await landed(town, packet) == "done"
    assert await town.process() == 0

    arrived = await town.only()
    row = await town.row(PROVINCE, packet)
    assert [event.kind for event in await town.events(PROVINCE, row.id)] == ["inbox.landed", "receipt.signed"]
    assert [event.kind for event in await town.events(PROVINCE, arrived.id)] == ["inbox.received"]
    assert await town.read(arrived) == PDF
    assert (await town.pack(), await town.statuses(PROVINCE)) == (0, 1)


@pytest.mark.parametrize("away", [True, False])
async def test_what_goes_by_steps_is_answered_by_the_unit_that_takes_it_in(
    town: Town, monkeypatch: pytest.MonkeyPatch, away: bool
) -> None:
    """Unless a token has to sign it."""
    monkeypatch.setattr(FileSigner, "at_hand", not away)
    await town.deliver(town.forge(document(), FILES))
    await town.land()
    assert await town.process() == 1

    arrived = await town.only()
    assert [event.kind for event in await town.events(PROVINCE, arrived.id)] == ["inbox.received"]
    assert (await town.pack(), await town.statuses(PROVINCE)) == (int(away), 1)


@pytest.mark.usefixtures("keys_away")
async def test_an_answer_that_a_token_has_to_sign_is_waited_for_by_nobody_who_lands(town: Town) -> None:
    assert await landed(town, town.forge(document(), FILES)) == "done"

    assert await town.statuses(PROVINCE) == 0
    assert (await town.pack(), await town.statuses(PROVINCE)) == (1, 1)


async def test_a_key_that_cannot_sign_now_keeps_nothing_from_landing(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    packet = town.forge(document(), FILES)

    def fails(signer: FileSigner, data: bytes) -> bytes:
        raise SignerDown("the key is away")

    with monkeypatch.context() as broken:
        broken.setattr(FileSigner, "sign", fails)
        assert await landed(town, packet) == "done"

    assert await town.statuses(PROVINCE) == 0
    assert (await town.pack(), await town.statuses(PROVINCE)) == (1, 1)


async def test_what_breaks_in_the_unit_leaves_nothing_of_it_and_the_packet_lands(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    packet, commit, broken = town.forge(document(), FILES), SqlWork.commit, 0

    async def breaks_once(work: SqlWork) -> None:
        nonlocal broken
        broken += 1
        if broken == 1:
            raise StoreFailure("the disk is full")
        await commit(work)

    monkeypatch.setattr(SqlWork, "commit", breaks_once)
    assert await landed(town, packet) == "landed"
    assert broken == 2
    assert await town.count("incoming_document") == 0

    await town.process()
    assert (await town.row(PROVINCE, packet)).state == "done"


async def test_what_our_own_code_cannot_get_through_lands_first_where_its_tries_are_counted(
    tmp_path: Path,
) -> None:
    trust = Faulty("trust", "collect")
    async with opened(tmp_path / "node", wrap=trust) as town:
        trust.error = RuntimeError("a fault of our own")
        assert await landed(town, town.forge(document(), FILES)) == "landed"


async def test_a_parcel_that_comes_a_second_time_lands_first(town: Town) -> None:
    """The first time may have ended the whole process."""
    packet = town.forge(document(), FILES)
    await town.deliver(packet)
    await town.node.axis.take(1, LEASE_S)
    town.clock.advance(LEASE_S + 1)

    (redelivered,) = await town.node.axis.take(1, LEASE_S)
    assert redelivered.deliveries == 2
    await receive.run(town.node.inn, redelivered)

    assert (await town.row(PROVINCE, packet)).state == "landed"


async def test_a_signed_pdf_and_a_scanner_are_waited_for_by_nobody_who_lands(town: Town) -> None:
    assert await landed(town, town.forge(document(), (("van-ban.pdf", SIGNED),))) == "landed"
    await town.process()

    class NoScanner:
        waits = True

    services = replace(town.node.inn, scanner=cast(Scanner, NoScanner()))
    for packet in (town.forge(document("16"), FILES), town.forge(document("17"), (("van-ban.pdf", LARGE),))):
        await town.deliver(packet)
        (arrival,) = await town.node.axis.take(1, LEASE_S)
        await receive.run(services, arrival)

        assert (await town.row(PROVINCE, packet)).state == "landed"


async def test_what_lies_in_a_file_comes_to_its_end_as_it_lands_and_is_read_once_to_be_proved(
    town: Town,
) -> None:
    packet = town.forge(document(), (("van-ban.pdf", LARGE),))
    await town.deliver(packet)
    (arrival,) = await town.node.axis.take(1, LEASE_S)
    assert arrival.file is not None

    with patch.object(receive, "_copy", side_effect=AssertionError):
        await receive.run(town.node.inn, arrival)

    assert (await town.row(PROVINCE, packet)).state == "done"
    assert await town.read(await town.only()) == LARGE
    assert not arrival.file.exists()


async def test_a_large_signed_pdf_lands_with_the_file_that_is_kept_already(town: Town) -> None:
    packet = town.forge(document(), (("van-ban.pdf", SIGNED + bytes(100_000)),))
    with patch.object(receive, "_copy", side_effect=AssertionError):
        assert await landed(town, packet) == "landed"

    await town.process()
    assert (await town.row(PROVINCE, packet)).state == "done"


async def test_what_lies_in_a_file_lands_first_while_others_have_the_room(town: Town) -> None:
    packet = town.forge(document(), (("van-ban.pdf", LARGE),))
    with town.node.inn.taken_at_once.reserve(TAKEN_AT_ONCE - len(LARGE)) as fits:
        assert fits
        assert await landed(town, packet) == "landed"

    assert await landed(town, town.forge(document("16"), (("van-ban.pdf", LARGE),))) == "done"


async def test_what_lies_in_a_file_and_no_brief_reading_proves_lands_first(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envelopes, "examine_general", None)
    packet = town.forge(document(), (("van-ban.pdf", LARGE),))

    assert await landed(town, changed(packet)) == "landed"


async def test_a_file_that_has_another_name_already_is_copied_and_lands(town: Town, tmp_path: Path) -> None:
    packet = town.forge(document(), (("van-ban.pdf", LARGE),))
    await town.deliver(packet)
    (arrival,) = await town.node.axis.take(1, LEASE_S)
    assert arrival.file is not None
    (tmp_path / "again").hardlink_to(arrival.file)

    await receive.run(town.node.inn, arrival)

    assert (await town.row(PROVINCE, packet)).state == "landed"


async def test_other_bytes_than_were_announced_are_never_taken_in(town: Town) -> None:
    packet = town.forge(document(), (("van-ban.pdf", LARGE),))
    await town.deliver(packet)
    (arrival,) = await town.node.axis.take(1, LEASE_S)

    await receive.run(town.node.inn, replace(arrival, digest=Digest("0" * 64)))

    row = await town.row(PROVINCE, packet)
    assert (row.state, row.code, row.file_digest) == ("quarantined", "MSG-ID", arrival.digest)
    assert await town.count("incoming_document") == 0


def changed(packet: Packet) -> Packet:
    """Change one letter of what was signed."""
    return replace(packet, raw=packet.raw.replace(b"C\xc6\xa1 quan", b"C\xc6\xa1 qua\xcc", 1))


# What comes, one after another; the steps end each of them in another place.
COMES: dict[str, Callable[[Town], Sequence[Packet]]] = {
    "a document": lambda town: [town.forge(document(), FILES)],
    "one twice": lambda town: [town.forge(document(), FILES, id="same", at=START) for _ in range(2)],
    "other content under its id": lambda town: [
        town.forge(document(subject=subject), FILES) for subject in ("Nội dung", "Nội dung khác")
    ],
    "another body under its packet id": lambda town: [
        town.forge(document(number), FILES, id="same") for number in ("200", "201")
    ],
    "a recall of what is here": lambda town: [town.forge(document(), FILES), town.forge(recall_of())],
    "a recall of what comes later": lambda town: [town.forge(recall_of()), town.forge(document(), FILES)],
    "an update": lambda town: [town.forge(document(), FILES), town.forge(update_of(), FILES)],
    "what replaces it": lambda town: [
        town.forge(model, FILES) for model in (document(), replacement_of("200", "201"))
    ],
    "what replaces it, before it": lambda town: [
        town.forge(model, FILES) for model in (replacement_of("200", "201"), document())
    ],
    "a status of nothing": lambda town: [
        town.forge(status_about("03", "Z91.01,2026/03/02,9/X", sender=COMMUNE, to=PROVINCE))
    ],
    "for somebody else": lambda town: [town.forge(document(to=(COMMUNE,)), FILES)],
    "a program": lambda town: [town.forge(document(), (("van-ban.pdf", b"MZ" + bytes(500)),))],
    "altered": lambda town: [changed(town.forge(document(), FILES))],
    "no envelope": lambda town: [replace(town.forge(document(), FILES), raw=b"<a/>")],
}


# Its envelope lies in a file of the axis.
LARGE = PDF + bytes(100_000)


@pytest.mark.parametrize("content", [PDF, LARGE], ids=["small", "in a file"])
async def test_it_ends_as_by_the_steps_one_after_another(
    tmp_path: Path, cases: Cases, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setitem(globals(), "FILES", (("van-ban.pdf", content),))
    for n, (name, make) in enumerate(COMES.items()):
        by_path = {}
        for by_steps in (True, False):
            async with opened(tmp_path / f"node-{n}-{by_steps}") as town:
                for packet in make(town):
                    await town.deliver(packet)
                    while await town.land(by_steps=by_steps) + await town.process() + await town.pack():
                        pass
                by_path[by_steps] = await ends(town)
        with cases.case(name):
            assert by_path[True] == by_path[False]


async def ends(town: Town) -> list[object]:
    """List the states that a clerk sees and the events of the log, without ids and times."""
    lines: list[object] = []
    for row in reversed(await town.inbox()):
        events = [event.kind for event in await town.events(PROVINCE, row.id)]
        steps = [step.ok for step in row.steps]
        lines.append((row.state, row.code, row.kind, row.reason is None, steps, events))
    for arrived in reversed(await town.incoming()):
        events = [event.kind for event in await town.events(PROVINCE, arrived.id)]
        lines.append((arrived.state, arrived.kind, arrived.marks, arrived.checks.keys(), events))
    return [*lines, await town.count("job"), await town.count("identity"), await town.ownerless()]
