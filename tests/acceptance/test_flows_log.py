"""Exchanges between two agencies stand in the sealed log, so that a seal's trusted time covers them (R4); and a node
that is to have timestamps takes nothing in without them."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from datetime import timedelta
from xml.etree import ElementTree

import pytest

from gateway.domain import sealed_log
from gateway.domain.document import Kind
from gateway.domain.sealed_log import PublishedSeal, Stamp
from gateway.errors import StoreFailure
from gateway.ops.audit import Inputs, verify
from gateway.store import log_reading
from gateway.trust import seals
from tests.support import proofs
from tests.support.clock import ManualClock
from tests.support.node import DEPARTMENT, PROVINCE, Packet, Town
from tests.support.tsa import tsa

DS = "{http://www.w3.org/2000/09/xmldsig#}"


class Stamper:
    """An authority in this process (`workers.event_log.TimeAuthority`)."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def stamp(self, data: bytes) -> tuple[bytes, Stamp]:
        token = tsa().token(data, self._clock.now())
        return token, seals.check_stamp(token, data, [tsa().root])


def signature_of(packet: Packet) -> str:
    """Return the SHA-256 of the bytes of SignatureValue, by a reader that is not ours."""
    value = ElementTree.fromstring(packet.raw).find(f".//{DS}SignatureValue")
    assert value is not None
    assert value.text is not None
    return hashlib.sha256(b64decode(value.text)).hexdigest()


async def sealed(town: Town) -> PublishedSeal:
    await town.number()
    while await town.node.sealer.step():
        pass
    return await log_reading.seal_numbered(town.node.store)


async def leaves_of_kind(town: Town, code: str, kind: str) -> list[tuple[int, dict[str, object]]]:
    """Return index and data of the leaves of that kind of an agency, each proved into the newest seal."""
    log_seal = (await log_reading.seal_numbered(town.node.store)).signed.seal
    agency = await town.agency(code)
    numbered = []
    for index in range(log_seal.tree_size):
        (leaf,) = await log_reading.leaves_at(town.node.store, [index])
        leaf_data = json.loads(leaf.body)
        if leaf_data["kind"] == kind and leaf_data["agency"] == agency.id:
            proof = await proofs.inclusion(town.node.store, index, log_seal.tree_size)
            hashed = sealed_log.leaf_hash(leaf.body)
            assert sealed_log.proves_inclusion(hashed, index, log_seal.tree_size, proof, log_seal.root)
            numbered.append((index, leaf_data["data"]))
    return numbered


async def test_r4_the_signature_of_every_receipt_sent_and_received_is_a_leaf_under_a_stamped_seal(
    town: Town,
) -> None:
    town.node.sealer.authority = Stamper(town.clock)
    sent = await town.act_and_carry(town.send())
    await town.act_and_carry(town.status(await town.only(), "03", register_no="7"))
    seal = await sealed(town)

    receipts = await town.crossed(PROVINCE, Kind.STATUS)
    signatures = [signature_of(x) for x in receipts]
    received = await leaves_of_kind(town, DEPARTMENT, "message.status")
    signed = await leaves_of_kind(town, PROVINCE, "receipt.signed")
    assert len(signatures) == 2
    assert [data["signature"] for _, data in signed] == signatures
    proofs = [data["proof"] for _, data in received]
    assert [x["signature"] for x in proofs] == signatures  # type: ignore[index]  # an object in JSON
    for proof in proofs:
        assert proof["chain"][0] == proof["certificate"]  # type: ignore[index]  # the signer stands first
        assert len(proof["chain"]) >= 2  # type: ignore[index]  # and its authority behind
    assert seal.stamp is not None
    assert seals.check_stamp(seal.stamp, seal.signed.to_bytes(), [tsa().root]).at == town.clock.now()
    covering = await log_reading.seal_covering(town.node.store, received[-1][0], stamped=True)
    assert covering == seal
    assert (await town.document(sent)).document_id


async def test_r4_the_document_itself_is_named_by_sender_and_receiver(town: Town) -> None:
    await town.act_and_carry(town.send())
    await sealed(town)

    (packet,) = await town.crossed(DEPARTMENT, Kind.DOCUMENT)
    ((_, queued),) = await leaves_of_kind(town, DEPARTMENT, "message.queued")
    ((_, received),) = await leaves_of_kind(town, PROVINCE, "inbox.received")
    proof = received["proof"]
    assert queued["signature"] == signature_of(packet)
    assert queued["envelope"] == packet.digest
    assert (proof["signature"], proof["envelope"]) == (signature_of(packet), packet.digest)  # type: ignore[index]  # an object in JSON


async def test_what_people_wrote_in_an_exchange_stands_in_no_leaf(town: Town) -> None:
    await town.act_and_carry(town.send())
    await town.status(await town.only(), "02", reason="BAD_FORM", note="Ông Nguyễn Văn Mẫu ký sai")
    await town.carry()
    seal = await sealed(town)

    every = await log_reading.leaves_at(town.node.store, range(seal.signed.seal.tree_size))
    assert not any(b"Nguy" in leaf.body or b"M\\u1eabu" in leaf.body for leaf in every)
    assert any("Nguyễn Văn Mẫu" in str(leaf.texts) for leaf in every)
    assert (await verify(town.node.store, Inputs(published=[seal]), town.node.pool)).holds


async def test_a_demanded_timestamp_that_does_not_come_stops_intake_and_nothing_else(town: Town) -> None:
    town.node.sealer.authority = Stamper(town.clock)
    await sealed(town)
    town.node.sealer.authority = None
    town.node.gate.most = timedelta(hours=6)
    await town.send("15")
    town.clock.advance(timedelta(hours=7))

    with pytest.raises(StoreFailure) as caught:
        await town.send("16")
    assert caught.value.code == "GW-S-508"
    await town.carry()
    assert (await town.only()).number == "15"

    town.node.sealer.authority = Stamper(town.clock)
    await sealed(town)
    town.clock.advance(15)
    await town.send("16")
