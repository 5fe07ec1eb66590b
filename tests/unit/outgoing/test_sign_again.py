"""A packet that waits when its key ends is signed again: same content, same packet id, new file (W9, threat 119). A key
that is down leaves documents queued with the reason."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.deciding import proposals
from gateway.domain.certificates import KeyEnd
from gateway.domain.document import Kind, OutgoingDocument, OutState
from gateway.domain.event import EventKind
from gateway.errors import Unreachable
from gateway.outgoing import dispatch
from gateway.policy.trust import fingerprint
from gateway_labs.authority import Authority
from tests.support import oracles
from tests.support.faulty import Faulty
from tests.support.node import COMMUNE, DEPARTMENT, PROVINCE, Packet, Town
from tests.unit.outgoing.test_dispatch import without

DAY = timedelta(days=1)


async def made_key(town: Town, code: str = DEPARTMENT, storage: str = "file") -> x509.Certificate:
    """Make a second key with its certificate; return the certificate."""
    keys = town.node.keys
    entry = keys.generate(code, storage=storage)
    authority = Authority.load(town.node.settings.node.data_dir / "authority")
    issued = authority.issue_for_request(keys.request(code, entry.key_id, "Demo"), town.clock.now())
    keys.import_certificate(code, issued.public_bytes(Encoding.PEM))
    return issued


async def new_key(town: Town, code: str = DEPARTMENT, storage: str = "file") -> bytes:
    """Make a second key and bind it beside the first one; return its certificate."""
    issued = await made_key(town, code, storage)
    der = issued.public_bytes(Encoding.DER)
    times = (issued.not_valid_before_utc, issued.not_valid_after_utc)
    await town.node.directory_changes.bind(code, der, *times, "one", "two")
    return der


def key_end(town: Town, der: bytes, code: str = DEPARTMENT) -> KeyEnd:
    (entry,) = [key_entry for key_entry in town.node.keys.entries(code) if key_entry.certificate_der == der]
    mine = fingerprint(der)
    return KeyEnd(agency_code=code, key_id=entry.key_id, fingerprint=mine, at=town.clock.now(), by="operator")


def signing(town: Town, code: str = DEPARTMENT) -> bytes:
    return town.node.keys.signer(code, town.clock.now()).certificate_der


async def waiting(town: Town, axis: Faulty, *to: str) -> tuple[bytes, Packet]:
    """Pack a document that the axis does not take; return the certificate that signed it, and the packet that waits."""
    axis.error = Unreachable("the axis does not answer")
    old = signing(town)
    await town.send("15", *(to or (PROVINCE,)))
    await town.carry()
    (packet,) = await town.crossed(DEPARTMENT, Kind.DOCUMENT)
    return old, packet


@pytest.mark.parametrize("how", ["retired", "stolen", "withdrawn"])
async def test_threat_119_what_waits_is_signed_again_under_the_new_key(
    broken: tuple[Town, Faulty], how: str
) -> None:
    town, axis = broken
    old, first_packet = await waiting(town, axis)
    sent = await _only(town)
    new = await new_key(town)
    services, ended = town.node.deciding, key_end(town, old)
    if how == "retired":
        await proposals.retire_key(services, ended)
    elif how == "stolen":
        await proposals.report_stolen(services, ended, town.clock.now() - timedelta(hours=1))
    else:
        await proposals.withdraw_binding(
            services, "operator", DEPARTMENT, ended.fingerprint, "told by telephone"
        )
    axis.error = None
    town.clock.advance(5)

    await town.carry()

    (resigned,) = await town.crossed(DEPARTMENT, Kind.DOCUMENT)
    now = await town.document(sent)
    assert oracles.xmlsec_says_valid(resigned.raw, new)
    assert not oracles.xmlsec_says_valid(first_packet.raw, new)
    assert (resigned.id, now.body_digest) == (first_packet.id, sent.body_digest)
    assert now.envelope_digest == resigned.digest != first_packet.digest
    received = await town.only()
    assert (received.envelope_digest, received.body_digest) == (resigned.digest, sent.body_digest)
    events = await town.events(DEPARTMENT, sent.id)
    (event,) = [x for x in events if x.kind is EventKind.MESSAGE_RESIGNED]
    assert event.data["was"] == first_packet.digest
    assert event.data["envelope"] == resigned.digest
    assert event.data["certificate"] == fingerprint(new)
    assert (await town.delivery(sent)).state == "delivered", "the receipt names the same content"


async def _only(town: Town) -> OutgoingDocument:
    (item,) = await town.outbox(DEPARTMENT, Kind.DOCUMENT)
    async with town.node.store.read(await town.scope(DEPARTMENT)) as work:
        return await work.outgoing.get(item.subject_id)


async def test_w9_what_was_once_published_is_published_again_byte_for_byte(
    broken: tuple[Town, Faulty],
) -> None:
    """One recipient has it; the other one gets the same bytes, whatever became of the key."""
    town, _ = broken
    old = signing(town)
    document = await town.send("15", PROVINCE, COMMUNE)
    await town.pack()
    (first_packet,) = await town.crossed(DEPARTMENT, Kind.DOCUMENT)
    (item,) = [x for x in await town.outbox(DEPARTMENT) if x.subject_id == document.id]
    await _deliver_to_one(town, item.id)
    await new_key(town)
    await proposals.retire_key(town.node.deciding, key_end(town, old))
    town.clock.advance(10)

    await town.carry()

    (resigned,) = await town.crossed(DEPARTMENT, Kind.DOCUMENT)
    assert resigned.raw == first_packet.raw


async def _deliver_to_one(town: Town, outbox_id: str) -> None:
    """Deliver as a courier does whose axis takes the parcel for the first recipient alone."""
    (leased,) = await town.node.store.claim_outbox(1, 60)
    assert leased.item.id == outbox_id
    await dispatch.run(without(town.node.out, COMMUNE), [leased])


async def test_an_answer_that_waits_is_signed_again_too(broken: tuple[Town, Faulty]) -> None:
    town, axis = broken
    sent = await town.send("15")
    for step in (town.pack, town.dispatch, town.land, town.process, town.pack):
        await step()
    axis.error = Unreachable("the axis does not answer")
    (first_packet,) = await town.crossed(PROVINCE, Kind.STATUS)
    old = signing(town, PROVINCE)
    new = await new_key(town, PROVINCE)
    await proposals.retire_key(town.node.deciding, key_end(town, old, PROVINCE))
    axis.error = None

    await town.carry()

    (resigned,) = await town.crossed(PROVINCE, Kind.STATUS)
    assert oracles.xmlsec_says_valid(resigned.raw, new)
    assert resigned.id == first_packet.id
    assert (await town.delivery(sent)).state == "delivered"


async def test_threat_119_without_a_key_that_may_sign_nothing_leaves_and_the_row_says_why(
    broken: tuple[Town, Faulty],
) -> None:
    town, axis = broken
    old, first_packet = await waiting(town, axis)
    await proposals.report_stolen(
        town.node.deciding, key_end(town, old), town.clock.now() - timedelta(hours=1)
    )
    axis.error = None
    town.clock.advance(5)
    second = await town.send("16")

    await town.carry()

    (row,) = [x for x in await town.outbox(DEPARTMENT) if x.packet_id == first_packet.id]
    assert row.state == "waiting"
    assert "stolen" in (row.last_error or "")
    assert (await town.document(second)).state is OutState.QUEUED
    assert await town.incoming() == ()
    new = await new_key(town)
    town.clock.advance(DAY)
    await town.carry()
    packets = await town.crossed(DEPARTMENT, Kind.DOCUMENT)
    assert [oracles.xmlsec_says_valid(x.raw, new) for x in packets] == [True, True]
    assert len(await town.incoming()) == 2


async def test_threat_048_of_two_certificates_in_force_the_one_bound_last_signs(town: Town) -> None:
    """Not the newest file on disk: an unbound one would be refused by every receiver."""
    first = signing(town)
    issued = await made_key(town)
    await town.send("15")
    await town.carry()
    times = (town.clock.now() + DAY, issued.not_valid_after_utc)
    await town.node.directory_changes.bind(
        DEPARTMENT, issued.public_bytes(Encoding.DER), *times, "one", "two"
    )
    await town.send("16")
    await town.carry()
    town.clock.advance(2 * DAY)
    await town.send("17")
    await town.carry()

    packets = await town.crossed(DEPARTMENT, Kind.DOCUMENT)
    signers = [oracles.xmlsec_says_valid(packet.raw, first) for packet in packets]
    assert signers == [True, True, False]
    assert len(await town.incoming()) == 3


# --- a token that goes away ----------------------------------------------------------------------------------------
