"""The content of a pack, and what never goes into one."""

from __future__ import annotations

import base64
import hashlib
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate, load_pem_x509_crl

from gateway.domain.document import InState
from gateway.domain.event import EventKind
from gateway.domain.evidence import SUBJECT, Absent, Story
from gateway.errors import NotFound
from gateway.incoming import seal as incoming_seal
from gateway.ops.evidence import contents
from gateway.ops.evidence.make import EvidenceMaker
from gateway.ops.evidence.pack_file import open_key
from gateway.outgoing import files as outgoing_seal
from gateway_labs.authority import Authority
from tests.support.clock import START
from tests.support.evidence import check, exchanged, pack_of, rebuilt, sealed, unpacked
from tests.support.node import DEPARTMENT, PDF, PROVINCE, Town


def open_story(raw: bytes, folder: Path) -> Story:
    return contents.read_story(unpacked(raw, folder)["story.json"])


async def test_packets_lie_in_a_pack_byte_for_byte_as_they_crossed_the_axis(
    town: Town, tmp_path: Path
) -> None:
    sent, _ = await exchanged(town)

    members = unpacked(await pack_of(town, DEPARTMENT, sent.id), tmp_path)

    crossed = [
        packet.raw
        for code in (DEPARTMENT, PROVINCE)
        for kind in ("edoc", "status")
        for packet in await town.crossed(code, type(sent.kind)(kind))
    ]
    packed = [content for name, content in members.items() if name.startswith("packets/")]
    assert sorted(packed) == sorted(crossed)


async def test_updates_recalls_and_their_answers_are_in_the_pack_of_their_document(
    town: Town, tmp_path: Path
) -> None:
    sent, arrived = await exchanged(town)
    await town.update(sent)
    await town.carry()
    await town.status(arrived, "15")
    await town.carry()

    ours = open_story(await pack_of(town, DEPARTMENT, sent.id), tmp_path / "a")
    theirs = open_story(await pack_of(town, PROVINCE, arrived.id), tmp_path / "b")

    for story in (ours, theirs):
        kinds = [packet.kind for packet in story.packets if packet.part in ("document", "change")]
        receipts = sorted(packet.status or "" for packet in story.packets if packet.part == "receipt")
        assert (kinds, receipts) == (["edoc", "update"], ["01", "01", "03", "15"])
    assert {packet.sha256 for packet in ours.packets} == {packet.sha256 for packet in theirs.packets}


async def test_recalled_content_is_there_by_digest_alone(town: Town, tmp_path: Path) -> None:
    """Before it is purged, and after."""
    sent, arrived = await exchanged(town)
    await town.recall(sent)
    await town.carry()
    await town.status(arrived, "15")
    await town.carry()
    document = await town.reload(arrived)
    assert document.state is InState.RECALLED

    for purged in (0, 1):
        town.clock.advance(timedelta(days=400 * purged))
        assert await incoming_seal.purge_recalled(town.node.inn) == purged
        raw = await pack_of(town, PROVINCE, document.id)
        story = open_story(raw, tmp_path)
        (first,) = [packet for packet in story.packets if packet.part == "document"]
        assert (first.member, first.absent, first.sha256) == ("", Absent.RECALLED, document.envelope_digest)
        assert story.absent is Absent.RECALLED
        assert story.subject == document.subject
        assert not holds_content(raw)
        assert [line for line in check(raw, tmp_path, None).lines if line.ok is False] == []


@pytest.mark.parametrize("side", [DEPARTMENT, PROVINCE])
async def test_sealed_content_never_enters_a_pack(town: Town, side: str, tmp_path: Path) -> None:
    """Nor do its words: the subject of a secret may be the secret."""
    sent, arrived = await exchanged(town)
    node, scope = town.node, await town.scope(side)
    if side == DEPARTMENT:
        await outgoing_seal.seal_document(node.out, node.hold, scope, sent.id, "Gửi nhầm")
    else:
        await incoming_seal.document(node.inn, node.hold, scope, arrived.id, "Có dấu mật")

    raw = await pack_of(town, side, sent.id if side == DEPARTMENT else arrived.id)

    story = open_story(raw, tmp_path)
    assert (story.absent, story.subject, {file.name for file in story.files}) == (Absent.SEALED, "", {""})
    assert story.packets[0].sha256 == arrived.envelope_digest
    assert not holds_content(raw)
    assert sent.draft.subject.encode() not in raw


def holds_content(raw: bytes) -> bool:
    """Tell whether the one PDF of the document is in it, as the envelope codes it."""
    return base64.b64encode(PDF)[:60] in raw or PDF[:60] in raw


async def test_making_a_pack_is_an_event_that_names_its_manifest(town: Town) -> None:
    sent, _ = await exchanged(town)

    pack = await EvidenceMaker(town.node).make(await town.scope(DEPARTMENT), sent.id)

    (event,) = await town.events(DEPARTMENT, SUBJECT)
    assert event.kind is EventKind.EVIDENCE_CREATED
    assert (event.data["pack"], event.data["document"]) == (pack.id, sent.id)
    assert event.data["manifest"] == pack.digest
    assert holds_content(b"".join(pack.pieces())), "of a document that is not withheld"


async def test_a_pack_of_another_agencys_document_is_refused(town: Town) -> None:
    sent, arrived = await exchanged(town)

    for code, id in ((PROVINCE, sent.id), (DEPARTMENT, arrived.id), (DEPARTMENT, "msg_nowhere")):
        with pytest.raises(NotFound):
            await pack_of(town, code, id)
    assert await town.events(DEPARTMENT, SUBJECT) == ()


@pytest.mark.usefixtures("keys_away")
async def test_a_document_that_was_never_packed_has_a_pack_with_its_header(
    town: Town, tmp_path: Path
) -> None:
    sent = await town.send("15")

    story = open_story(await pack_of(town, DEPARTMENT, sent.id), tmp_path)

    assert (story.packets, story.code, story.absent) == ((), "15/STD-VP", None)


async def test_every_event_of_the_document_that_is_sealed_is_in_the_pack_with_its_proof(
    town: Town, tmp_path: Path
) -> None:
    sent, _ = await exchanged(town)
    await sealed(town, None)
    await exchanged(town, "16")

    story = open_story(await pack_of(town, DEPARTMENT, sent.id), tmp_path)

    kinds = {event.kind for event in story.events}
    told_of = {"message.accepted", "message.queued", "message.sent", "inbox.landed", "message.status"}
    assert told_of | {"binding.approved"} <= kinds
    assert all(event.seal == 1 for event in story.events)
    assert all(any(packet.sha256 in x.names for x in story.events) for packet in story.packets)


async def test_answers_of_authorities_are_in_the_pack_and_count_where_the_user_has_none(
    town: Town, tmp_path: Path
) -> None:
    trust = town.node.settings.trust.folder
    without = Path(shutil.copytree(trust, tmp_path / "trust"))
    authority = Authority.load(town.node.settings.node.data_dir / "authority")
    (trust / "crl").mkdir()
    (trust / "crl" / "ca.pem").write_bytes(authority.revocation_list([], START - timedelta(hours=1)))
    sent, _ = await exchanged(town)

    raw = await pack_of(town, DEPARTMENT, sent.id)

    (name,) = [member for member in unpacked(raw, tmp_path) if member.startswith("revocation/")]
    assert name.endswith(".crl")
    lines = check(raw, tmp_path, without, at=START).lines
    unknown = {line.detail for line in lines if line.step == "packet"}
    assert unknown == {""}, "nothing about revocation is left unknown"


async def test_an_answer_in_a_pack_that_its_authority_did_not_sign_counts_for_nothing(
    town: Town, tmp_path: Path
) -> None:
    """A list by a stranger who took the authority's name, which revokes the sender long ago."""
    sent, _ = await exchanged(town)
    signer = town.node.keys.signer(DEPARTMENT, town.clock.now())
    certificate = load_der_x509_certificate(signer.certificate_der)
    forger = Authority.create("Demo exchange authority", START - timedelta(days=30))
    forged = forger.revocation_list([(certificate, START - timedelta(days=9))], START)
    listed = load_pem_x509_crl(forged).public_bytes(Encoding.DER)
    name = f"revocation/{hashlib.sha256(listed).hexdigest()}.crl"
    key = open_key(town.node.settings.keys.folder, None)
    raw = rebuilt(await pack_of(town, DEPARTMENT, sent.id), tmp_path, key, {name: listed})

    report = check(raw, tmp_path, town.node.settings.trust.folder, at=START)

    assert "CERT-REVOKED" not in {line.params.get("code") for line in report.lines}
    assert report.verdict == "unknown"
