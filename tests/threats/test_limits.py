"""Threats that come as too much: sizes at and around a limit (74), a flood of costly envelopes (100), and folders that
are gone (91)."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable
from typing import NoReturn

import pytest

from gateway.domain.queues import LeasedInbox
from gateway.edxml import verify
from gateway.edxml.policy import EnvelopeLimits, XmlPolicy
from gateway.errors import MalformedXml
from gateway.incoming import process
from gateway.incoming.services import GENERAL_AT_ONCE
from tests.hostile import forge
from tests.support import envelopes
from tests.support.node import LEASE_S, PDF, Packet, Town, document
from tests.threats.doors import AxisDoor, bounded_memory

MB = 1024 * 1024


def _never() -> NoReturn:
    raise AssertionError("what is too large is not opened")


def test_threat_074_a_file_of_any_size_is_the_same_file_again_up_to_the_limit_and_refused_beyond() -> None:
    """Around the edges of pieces and of base64's groups."""
    content = bytes(range(256)) * 1025
    for size in (0, 1, 2, 3, 255, 256, 65_535, 65_536, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1):
        files = (("tep.bin", content[:size]),)
        signed = _examined(forge.source(envelopes.native(envelopes.document(files), files))).signed
        assert [(file.size, file.damaged) for file in signed.files] == [(size, None)]

    native = envelopes.native()
    general = native + b"\n"
    for excess, code in ((0, None), (1, "ENV-TOO-LARGE")):
        fast = XmlPolicy(limits=EnvelopeLimits(max_bytes=len(native) - excess))
        slow = XmlPolicy(limits=EnvelopeLimits(general_max_bytes=len(general) - excess))
        assert forge.judge(native, policy=fast).code == code
        assert forge.judge(general, policy=slow).code == code

    for size in (2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1, 2**32, 2**32 + 1, 2**63):
        with pytest.raises(MalformedXml) as refusal:
            _examined(verify.EnvelopeSource(open=_never, size=size))
        assert refusal.value.code == "ENV-TOO-LARGE"


def _examined(source: verify.EnvelopeSource) -> verify.Verified:
    return verify.examine(source, policy=XmlPolicy(), bindings=forge.bindings(forge.SIGNER), at=forge.AT)


async def test_threat_100_a_flood_of_costly_envelopes_holds_up_nobody_elses_mail(town: Town) -> None:
    """G1: so many at a time on the general path, in bounded memory; native ones go past those that wait."""
    large = (("van-ban.pdf", PDF + b"%" * (5 * MB)),)
    costly = [_reformatted(town.forge(document(str(400 + n), large), large)) for n in range(6)]
    native = [town.forge(document(str(500 + n)), (("van-ban.pdf", PDF),)) for n in range(4)]
    for packet in (*costly, *native):
        await town.deliver(packet)
    await town.land()
    ended: list[str] = []

    async def judge_row(row: LeasedInbox) -> None:
        await process.run(town.node.inn, row)
        ended.append(row.item.file_digest)

    with bounded_memory():
        rows = await town.node.store.claim_inbox(50, LEASE_S)
        await asyncio.gather(*(judge_row(row) for row in rows))

    assert {(await town.row("Z91", packet)).state for packet in (*costly, *native)} == {"done"}
    earlier_digests = ended[: max(ended.index(packet.digest) for packet in native)]
    assert len([digest for digest in earlier_digests if digest in _digests(costly)]) <= GENERAL_AT_ONCE


def _reformatted(packet: Packet) -> Packet:
    """Return the same signed words in a file that is not native."""
    return Packet(raw=packet.raw + b"\n", id=packet.id, kind=packet.kind, sender=packet.sender)


def _digests(packets: Iterable[Packet]) -> set[str]:
    return {packet.digest for packet in packets}


@pytest.mark.asyncio(loop_scope="session")
async def test_threat_091_a_missing_scratch_folder_is_recreated(
    embedded: AxisDoor, record_property: Callable[[str, object], None]
) -> None:
    large = (("lon.pdf", PDF + bytes(100_000)),)  # what is small is never in a scratch file
    await embedded.takes_the_next(large)
    shutil.rmtree(embedded.ground.folder / "content" / "scratch")

    await embedded.takes_the_next(large)

    record_property("entry", embedded.name)
