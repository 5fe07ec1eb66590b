"""The proofs of a pack are checked for each reader and time (E4, E5, R3, R4)."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import zipfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.domain import sealed_log
from gateway.errors import Misconfigured
from gateway.ops.evidence.judge import PackReport, ReportLine
from gateway.ops.evidence.pack_file import EvidenceKey
from gateway.ops.verify_file import verify_file
from gateway.trust.seals import open_seal_key
from gateway_labs.authority import Authority
from tests.support.cases import Cases
from tests.support.clock import START
from tests.support.evidence import (
    SOON,
    YEARS_LATER,
    Scene,
    TimeAuthority,
    check,
    exchanged,
    pack_of,
    rebuilt,
    sealed,
    unpacked,
)
from tests.support.node import DEPARTMENT, PROVINCE, Town

STRANGER = EvidenceKey(Ed25519PrivateKey.from_private_bytes(b"stranger" * 4))


def only(report: PackReport, step: str, n: int = 0) -> ReportLine:
    return [line for line in report.lines if line.step == step][n]


def checked(
    scene: Scene, folder: Path, changed: dict[str, bytes], seal: Path | None = None, at: datetime = SOON
) -> PackReport:
    """Check the pack with members that a stranger changed and made the manifest fit."""
    return check(rebuilt(scene.sent, folder, STRANGER, changed), folder, scene.trust, seal, at)


def story_of(scene: Scene, folder: Path) -> Any:  # Any: as it stands in the pack
    return json.loads(unpacked(scene.sent, folder)["story.json"])


def packed(story: Any) -> dict[str, bytes]:
    return {"story.json": json.dumps(story, ensure_ascii=False).encode()}


def broken(report: PackReport) -> ReportLine:
    return next(line for line in report.lines if line.ok is False)


# --- what holds -----------------------------------------------------------------------------------------------


def test_a_stamped_pack_is_valid_for_the_trusted_time_whenever_it_is_checked(
    scene: Scene, tmp_path: Path
) -> None:
    for pack in (scene.sent, scene.received):
        for at in (SOON, YEARS_LATER):
            report = check(pack, tmp_path, scene.trust, scene.seal, at)
            assert report.verdict == "valid", report.to_json()
            for line in report.lines:
                if line.step in ("packet", "receipt"):
                    assert (line.ok, line.trusted, line.proved_at) == (True, True, scene.stamped_at)


def test_the_receipts_of_a_sent_document_are_proved_against_its_packet(scene: Scene, tmp_path: Path) -> None:
    """The report also has the fingerprints of the trusted keys."""
    report = check(scene.sent, tmp_path, scene.trust, scene.seal)

    receipt_lines = [line for line in report.lines if line.step == "receipt"]
    assert [(line.params["code"], line.params["sender"], line.note) for line in receipt_lines] == [
        ("01", PROVINCE, "receipt_proved"),
        ("03", PROVINCE, "receipt_proved"),
    ]
    assert sorted(anchor.kind for anchor in report.anchors) == ["ca", "node", "node", "seal", "tsa"]
    assert all(len(anchor.sha256) == 64 for anchor in report.anchors)


async def test_a_pack_of_the_demonstration_is_valid_by_the_trust_folder_that_it_leaves(
    town: Town, tmp_path: Path
) -> None:
    """The folder as it was staged, nothing added."""
    sent, _ = await exchanged(town)
    await sealed(town, None)

    report = check(
        await pack_of(town, DEPARTMENT, sent.id), tmp_path, town.node.settings.trust.folder, at=SOON
    )

    assert only(report, "manifest").note == "manifest_known"
    assert report.verdict != "unknown", report.to_json()


async def test_a_packet_has_one_verdict_alone_and_in_a_pack_whatever_else_the_pack_knows(
    town: Town, tmp_path: Path
) -> None:
    """An answer about a seal in a PDF does not say that answers about the envelope's certificate are to be had."""
    sent, _ = await exchanged(town)
    await sealed(town, None)
    trust = town.node.settings.trust.folder
    pack = await pack_of(town, DEPARTMENT, sent.id)
    other = Authority.create("Authority of seals", START)
    body = other.revocation_list([], START, timedelta(days=30))
    der = x509.load_pem_x509_crl(body).public_bytes(Encoding.DER)
    with_other = rebuilt(pack, tmp_path, STRANGER, {f"revocation/{hashlib.sha256(der).hexdigest()}.crl": der})
    for file, case in ((pack, "as it was made"), (with_other, "with another's answer")):
        report = check(file, tmp_path, trust, at=SOON)
        packet = only(report, "packet")
        envelope = tmp_path / "packet.edxml"
        envelope.write_bytes(unpacked(file, tmp_path)[str(packet.member)])
        alone = verify_file(envelope, trust, SOON, SOON)
        assert (packet.ok, alone["verdict"]) == (True, "valid"), case
        assert packet.detail == alone["notes"][0]["code"], case


# --- threat 111: a receipt that is denied later ---------------------------------------------------------------


def revoked(scene: Scene, to: Path, at: datetime) -> Path:
    """Make a trust folder in which the receiver's key was revoked at that time. Once a certificate has run out, its
    authority may leave it out of new lists."""
    folder = scene.copy_of_trust(to)
    (folder / "crl").mkdir()
    made_at = at + timedelta(hours=1)
    lists = scene.authority.revocation_list([(scene.certificates[PROVINCE], at)], made_at, timedelta(days=30))
    (folder / "crl" / "ca.pem").write_bytes(lists)
    return folder


def test_threat_111_a_receipt_denied_after_its_key_was_revoked_or_ran_out_holds_by_the_trusted_time(
    scene: Scene, tmp_path: Path
) -> None:
    assert scene.certificates[PROVINCE].not_valid_after_utc < YEARS_LATER
    revoked_after = revoked(scene, tmp_path / "after", START + timedelta(days=100))
    revoked_before = revoked(scene, tmp_path / "before", scene.stamped_at - timedelta(minutes=5))

    for folder in (scene.trust, revoked_after):
        report = check(scene.sent, tmp_path, folder, scene.seal, YEARS_LATER)
        assert only(report, "receipt", 1).ok is True
        assert report.verdict == "valid", report.to_json()
    report = check(scene.sent, tmp_path, revoked_before, scene.seal, YEARS_LATER)
    assert report.verdict == "invalid"
    assert broken(report).params["code"] == "CERT-REVOKED"


def test_threat_111_without_a_timestamp_the_verdict_is_unknown(scene: Scene, tmp_path: Path) -> None:
    since = revoked(scene, tmp_path / "trust", START + timedelta(hours=1))
    for folder, at in ((scene.trust, YEARS_LATER), (since, SOON)):
        report = check(scene.unstamped, tmp_path, folder, None, at)
        assert [line.ok for line in report.lines if line.step == "receipt"] == [None, None]
        assert report.verdict == "unknown"


def test_without_a_timestamp_a_pack_is_valid_only_for_the_time_of_the_check(
    scene: Scene, tmp_path: Path
) -> None:
    report = check(scene.unstamped, tmp_path, scene.trust)

    packet = only(report, "packet")
    assert (packet.ok, packet.trusted, packet.proved_at, packet.note) == (True, False, SOON, "valid_now")
    assert report.verdict == "valid"


# --- threat 118: packs that try to be believed ----------------------------------------------------------------


def test_threat_118_without_anchors_a_good_pack_is_consistent_and_no_more(
    scene: Scene, tmp_path: Path
) -> None:
    report = check(scene.sent, tmp_path, None)

    assert report.verdict == "unknown"
    assert {line.note for line in report.lines if line.ok is None and line.decides} == {
        "not_anchored",
        "receipt_proved",
    }


def test_threat_118_anchors_that_a_pack_brings_do_not_count(scene: Scene, tmp_path: Path) -> None:
    """The court knows another authority; what led to the pack's own root is in the pack and changes nothing."""
    elsewhere = Authority.create("Another authority", START)
    folder = scene.copy_of_trust(tmp_path / "trust")
    (folder / "ca.pem").write_bytes(elsewhere.certificate.public_bytes(Encoding.PEM))

    report = check(scene.sent, tmp_path, folder, scene.seal)

    assert report.verdict == "invalid"
    assert broken(report).member.startswith("packets/")
    assert broken(report).params["code"] == "CERT-CHAIN"


def test_threat_118_a_manifest_signed_anew_by_another_key_is_not_anchored(
    scene: Scene, tmp_path: Path
) -> None:
    report = checked(scene, tmp_path, {}, scene.seal)

    assert only(report, "container").ok is True
    assert (only(report, "manifest").ok, only(report, "manifest").note) == (None, "not_anchored")
    assert report.verdict == "unknown"


def test_threat_118_a_manifest_whose_signature_is_another_keys_fails_by_name(
    scene: Scene, tmp_path: Path
) -> None:
    """The stranger's signature beside the true key's name."""
    (tmp_path / "signature.zip").write_bytes(scene.sent)
    with zipfile.ZipFile(tmp_path / "signature.zip") as archive:
        signature = json.loads(archive.read("manifest.sig"))
    pretender = EvidenceKey(Ed25519PrivateKey.from_private_bytes(b"stranger" * 4))
    pretender.public_key = base64.b64decode(signature["public_key"])

    report = check(rebuilt(scene.sent, tmp_path, pretender), tmp_path, scene.trust, scene.seal)

    assert (broken(report).member, report.verdict) == ("manifest.sig", "invalid")


def test_threat_118_the_timestamp_of_another_authority_or_seal_fails_by_the_seals_name(
    scene: Scene, tmp_path: Path
) -> None:
    name, published = stamped_seal(scene, tmp_path)
    other, own = TimeAuthority("Other", START - timedelta(days=300)), TimeAuthority("Time", START)
    for token, _ in (other.stamp(published.signed.to_bytes()), own.stamp(b"something else")):
        report = checked(scene, tmp_path, {name: replace(published, stamp=token).to_bytes()})
        assert (broken(report).step, broken(report).member) == ("stamps", name)
        assert not any(line.trusted for line in report.lines)


def stamped_seal(scene: Scene, folder: Path) -> tuple[str, sealed_log.PublishedSeal]:
    for name, content in unpacked(scene.sent, folder).items():
        if name.startswith("log/seals/") and (seal := sealed_log.read_seal(content)).stamp is not None:
            return name, seal
    raise AssertionError("no seal of the scene has a stamp")


def test_without_one_kind_of_anchor_the_verdict_is_unknown(scene: Scene, tmp_path: Path) -> None:
    for missing in ("nodes", "tsa"):
        folder = scene.copy_of_trust(tmp_path / f"without-{missing}")
        shutil.rmtree(folder / missing)
        assert check(scene.sent, tmp_path, folder).verdict == "unknown"


# --- threat 92: what was kept is changed and packed anew ------------------------------------------------------


def test_threat_092_one_bit_of_a_packed_envelope_or_receipt_is_found_by_its_name(
    scene: Scene, tmp_path: Path
) -> None:
    """An attacker with the pack's key makes manifest and story fit the changed packet: its own signature does not."""
    members = unpacked(scene.sent, tmp_path)
    for name in sorted(x for x in members if x.startswith("packets/")):
        content = flipped(members[name], members[name].index(b"</edXML:From>") - 30)
        story = story_of(scene, tmp_path)
        (packet,) = [x for x in story["packets"] if x["member"] == name]
        packet["sha256"], packet["size"] = hashlib.sha256(content).hexdigest(), len(content)

        report = checked(scene, tmp_path, {name: content, **packed(story)}, scene.seal)

        assert (report.verdict, broken(report).member) == ("invalid", name)


def flipped(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def test_a_receipt_for_another_packet_proves_nothing_of_this_one(scene: Scene, tmp_path: Path) -> None:
    """The receiver's true receipt, put beside a packet that it does not answer."""
    story = story_of(scene, tmp_path)
    for packet in story["packets"]:
        if packet["part"] == "document":
            packet["to"] = [{"code": "Z91.99", "name": ""}]

    report = checked(scene, tmp_path, packed(story))

    assert (broken(report).step, broken(report).note) == ("receipt", "receipt_fails")


def test_a_story_that_says_what_a_packet_does_not_say_is_spoiled(
    scene: Scene, tmp_path: Path, cases: Cases
) -> None:
    claims = {"kind": "recall", "packet_id": "pkt_other", "status": "06", "body_sha256": "0" * 64}
    for field, value in claims.items():
        with cases.case(field):
            story = story_of(scene, tmp_path)
            story["packets"][1][field] = value
            report = checked(scene, tmp_path, packed(story))
            assert (broken(report).member, report.verdict) == ("story.json", "invalid")
    story = story_of(scene, tmp_path)
    left_out = story["packets"].pop()
    assert broken(checked(scene, tmp_path, packed(story))).member == left_out["member"]


# --- the log --------------------------------------------------------------------------------------------------


def lines_of(scene: Scene, folder: Path, member: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in unpacked(scene.sent, folder)[member].splitlines()]


def packed_lines(lines: list[dict[str, object]]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def test_threat_092_a_line_of_the_log_that_is_changed_is_under_no_seal(
    scene: Scene, tmp_path: Path, cases: Cases
) -> None:
    body = base64.b64decode(str(lines_of(scene, tmp_path, "log/leaves.jsonl")[0]["body"]))
    other: dict[str, object] = {
        "body": base64.b64encode(flipped(body, 20)).decode(),
        "index": 1,
        "path": ["00" * 32],
        "seal": 99,
    }
    for field, value in other.items():
        with cases.case(field):
            lines = lines_of(scene, tmp_path, "log/leaves.jsonl")
            lines[0][field] = value
            report = checked(scene, tmp_path, {"log/leaves.jsonl": packed_lines(lines)})
            assert (broken(report).member, report.verdict) == ("log/leaves.jsonl", "invalid")
    name, published = stamped_seal(scene, tmp_path)
    seal = replace(published.signed.seal, tree_size=published.signed.seal.tree_size + 1)
    changed = replace(published, signed=replace(published.signed, seal=seal)).to_bytes()
    report = checked(scene, tmp_path, {name: changed})
    assert (broken(report).member, report.verdict) == (name, "invalid")


def test_a_packet_that_no_line_names_has_no_trusted_time(scene: Scene, tmp_path: Path) -> None:
    digest = story_of(scene, tmp_path)["packets"][1]["sha256"].encode()
    lines = lines_of(scene, tmp_path, "log/leaves.jsonl")
    other_lines = [line for line in lines if digest not in base64.b64decode(str(line["body"]))]

    report = checked(scene, tmp_path, {"log/leaves.jsonl": packed_lines(other_lines)}, None, YEARS_LATER)

    assert (only(report, "packet", 1).ok, only(report, "packet", 1).note) == (None, "no_time")


def test_seals_that_nothing_joins_are_refused(scene: Scene, tmp_path: Path) -> None:
    """The pack made before the second seal, given that seal without a proof."""
    name, published = stamped_seal(scene, tmp_path)
    forged = rebuilt(scene.unstamped, tmp_path, STRANGER, {name: published.to_bytes()})

    report = check(forged, tmp_path, scene.trust)

    assert broken(report).member == "log/consistency.jsonl"


def test_threat_117_a_published_seal_of_another_history_is_told_and_one_that_is_not_there_cannot_be_compared(
    scene: Scene, tmp_path: Path
) -> None:
    """The same number, another root: what a node shows that rewrote its history."""
    _, published = stamped_seal(scene, tmp_path)
    key = open_seal_key(tmp_path / "keys", None)
    other = replace(published.signed.seal, root=bytes(32))
    (tmp_path / "other.seal").write_bytes(sealed_log.PublishedSeal(signed=key.sign(other)).to_bytes())

    report = check(scene.sent, tmp_path, scene.trust, tmp_path / "other.seal")

    assert (broken(report).step, broken(report).note) == ("published", "other_history")

    report = check(scene.unstamped, tmp_path, scene.trust, scene.seal)

    assert (only(report, "published").ok, only(report, "published").note) == (None, "published_absent")
    assert report.verdict == "unknown"


def test_whoever_has_a_published_seal_knows_the_logs_key_by_it(scene: Scene, tmp_path: Path) -> None:
    folder = scene.copy_of_trust(tmp_path / "trust")
    (folder / "nodes" / "log.pem").unlink()

    assert only(check(scene.sent, tmp_path, folder, scene.seal), "seals").ok is True
    assert only(check(scene.sent, tmp_path, folder), "seals").ok is None
    alone = check(scene.sent, tmp_path, None, scene.seal)
    assert (only(alone, "seals").ok, alone.verdict) == (True, "unknown")


# --- folders that cannot be used ------------------------------------------------------------------------------


def test_a_trust_folder_that_cannot_be_used_says_what_to_mend(scene: Scene, tmp_path: Path) -> None:
    for place, content, message in (
        ("nodes/pack.pem", b"no key", "no public key"),
        ("tsa/ca.pem", b"-----BEGIN CERTIFICATE-----\n", "PEM certificates"),
        ("bindings.csv", b"a,b\n", "expected the columns"),
    ):
        folder = scene.copy_of_trust(tmp_path / message)
        (folder / place).write_bytes(content)
        with pytest.raises(Misconfigured, match=message):
            check(scene.sent, tmp_path, folder)


def test_threat_118_a_seal_that_its_key_did_not_sign_makes_that_key_known_to_nobody(
    scene: Scene, tmp_path: Path
) -> None:
    """Else a file with the right numbers and a stranger's key would vouch for the stranger's packs."""
    published, key = sealed_log.read_seal(scene.seal.read_bytes()), open_seal_key(tmp_path / "keys", None)
    forged = replace(published, signed=replace(published.signed, key=key.public))
    odd = scene.seal.read_bytes() + b"\n"
    for content, message in ((forged.to_bytes(), "not of its key"), (odd, "no published seal")):
        (tmp_path / "odd.seal").write_bytes(content)
        with pytest.raises(Misconfigured, match=message):
            check(scene.sent, tmp_path, scene.trust, tmp_path / "odd.seal")
