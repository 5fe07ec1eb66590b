"""Revocation on the way in (K4): the answers known when a packet arrives decide, and a later answer is never lost. A real
authority on loopback answers, the node asks it by its own loop, stepped by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import ocsp as protocol

from gateway.domain.event import Event
from gateway.domain.proof import Evidence
from gateway.incoming import rejudge
from tests.support.clock import START, ManualClock
from tests.support.node import DEPARTMENT, PDF, PROVINCE, Packet, Town, document, opened
from tests.support.responder import LIST_TYPE, Reply, Responder, responding
from tools.pki.parts import Party, ocsp_answer

FILES = (("van-ban.pdf", PDF),)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DOWN = Reply(status=503)


class Authority:
    """The stage's own authority, which answers as told: for each certificate by OCSP, and by its list."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        key = load_pem_private_key((folder / "authority" / "ca.key.pem").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        certificate = x509.load_pem_x509_certificate((folder / "authority" / "ca.pem").read_bytes())
        self.party = Party(certificate=certificate, private_key=key)
        self.clock = clock
        self.certificates = {
            certificate.serial_number: certificate
            for path in (folder / "trust").glob("*.pem")
            for certificate in x509.load_pem_x509_certificates(path.read_bytes())
        }
        self.revoked: dict[int, datetime] = {}
        self.is_up, self.has_list = True, False

    def serial_of(self, code: str, town: Town) -> int:
        der = town.node.keys.signer(code, town.clock.now()).certificate_der
        return x509.load_der_x509_certificate(der).serial_number

    def answer(self, body: bytes) -> Reply:
        if not body:
            return self._list() if self.has_list else DOWN
        if not self.is_up:
            return DOWN
        question = protocol.load_der_ocsp_request(body)
        now, certificate = self.clock.now(), self.certificates[question.serial_number]
        nonce = question.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
        revoked_at = self.revoked.get(question.serial_number)
        reason = x509.ReasonFlags.key_compromise if revoked_at else None
        valid = (now - MINUTE, now + HOUR)
        return Reply(
            body=ocsp_answer(
                certificate, self.party, valid=valid, revoked_at=revoked_at, reason=reason, nonce=nonce
            )
        )

    def _list(self) -> Reply:
        now = self.clock.now()
        revoked = [
            (self.certificates[serial], at, x509.ReasonFlags.key_compromise)
            for serial, at in self.revoked.items()
        ]
        listed = self.party.revocation_list(*revoked, valid=(now - MINUTE, now + HOUR))
        return Reply(body=listed.public_bytes(Encoding.DER), kind=LIST_TYPE)


class Stage:
    """A town whose node asks an authority."""

    def __init__(self, town: Town, authority: Authority, responder: Responder) -> None:
        self.town, self.authority, self.responder = town, authority, responder

    async def turn(self) -> None:
        """Run the loop until it has nothing to do."""
        while await self.town.node.asking.step():
            pass

    async def advance(self, by: timedelta) -> None:
        self.town.clock.advance(by)
        await self.turn()

    async def falls_silent(self, since: timedelta) -> None:
        """Let the authority answer once more, then take it down and move time on by `since`."""
        await self.turn()
        self.authority.is_up = False
        await self.advance(since)

    async def restore_answers(self) -> None:
        self.authority.is_up = True
        await self.advance(31 * MINUTE)

    def evidence(self, at: datetime | None = None) -> Evidence:
        signer = self.town.node.keys.signer(DEPARTMENT, self.town.clock.now())
        return self.town.node.trust.collect(signer.certificate_der, at or self.town.clock.now())

    def revoke(self, at: datetime, code: str = DEPARTMENT) -> None:
        self.authority.revoked[self.authority.serial_of(code, self.town)] = at

    async def alerts(self, subject_id: str) -> list[Event]:
        return [x for x in await self.town.events(PROVINCE, subject_id) if x.kind == "inbox.revocation"]


@asynccontextmanager
async def staged(
    folder: Path, responder: Responder, clock: ManualClock | None = None
) -> AsyncIterator[Stage]:
    time = clock or ManualClock()
    if not folder.exists():
        async with opened(folder, time):
            pass
        issuer_text = f'[[issuer]]\ncertificate = "ca.pem"\nocsp = ["{responder.url}"]\ncrl = ["{responder.url}a.crl"]\n'
        (folder / "trust" / "revocation.toml").write_text(issuer_text, encoding="utf-8")
    authority = Authority(folder, time)
    responder.answer = authority.answer
    async with opened(folder, time) as town:
        yield Stage(town, authority, responder)


@pytest.fixture
def responder() -> Iterator[Responder]:
    with responding(lambda _: DOWN) as new_responder:
        yield new_responder


@pytest.fixture
async def stage(tmp_path: Path, responder: Responder) -> AsyncIterator[Stage]:
    async with staged(tmp_path / "node", responder) as new_stage:
        yield new_stage


def packet(town: Town, id: str = "one") -> Packet:
    return town.forge(document(), FILES, id=id)


async def test_a_good_answer_lets_a_packet_in_and_is_kept_for_ever(stage: Stage) -> None:
    await stage.turn()

    row = await stage.town.brought(packet(stage.town))

    admitted = await stage.town.only()
    assert (row.state, admitted.marks, admitted.checks["revocation"]) == ("done", (), "good")
    (digest,) = stage.evidence().answers
    (kept_answer,) = await stage.town.node.store.revocation.read([digest])
    assert kept_answer.origin == stage.responder.url
    assert await stage.town.count(f"revocation_answer WHERE used AND digest = '{digest}'") == 1


async def test_threat_042_a_revoked_sender_is_refused_from_that_date_on(stage: Stage) -> None:
    stage.revoke(START - HOUR)
    await stage.turn()

    row = await stage.town.brought(packet(stage.town))

    assert (row.state, row.code) == ("quarantined", "CERT-REVOKED")
    assert "keyCompromise" in (row.reason or "")
    assert await stage.town.statuses(PROVINCE) == 0


async def test_threat_042_a_revocation_after_the_arrival_does_not_hurt(stage: Stage) -> None:
    await stage.turn()
    sent = packet(stage.town)
    await stage.town.deliver(sent)
    await stage.town.land()
    stage.revoke(START + HOUR)
    await stage.advance(2 * HOUR)

    await stage.town.carry()

    assert (await stage.town.row(PROVINCE, sent)).state == "done"
    assert stage.evidence().revocation == "revoked"


async def test_threat_045_without_an_answer_a_packet_passes_with_a_mark_while_the_grace_runs(
    stage: Stage,
) -> None:
    await stage.falls_silent(5 * HOUR)

    row = await stage.town.brought(packet(stage.town))

    admitted = await stage.town.only()
    assert (row.state, admitted.marks) == ("done", ("revocation_unknown",))
    assert admitted.checks["revocation"] == "unknown"


async def test_threat_045_after_the_grace_packets_are_held_and_come_in_by_themselves(stage: Stage) -> None:
    await stage.falls_silent(30 * HOUR)
    sent = packet(stage.town)
    held_item = await stage.town.brought(sent)

    await stage.town.act_and_carry(stage.restore_answers())

    assert (held_item.state, held_item.code) == ("held", "CERT-REVOCATION-UNKNOWN")
    assert (await stage.town.row(PROVINCE, sent)).state == "done"
    assert (await stage.town.only()).marks == ()
    assert await stage.town.count("revocation_pending") == 0


async def test_threat_045_a_held_packet_of_a_revoked_sender_ends_in_quarantine(stage: Stage) -> None:
    stage.authority.is_up = False
    await stage.turn()
    await stage.advance(30 * HOUR)
    sent = packet(stage.town)
    assert (await stage.town.brought(sent)).state == "held"
    stage.revoke(stage.town.clock.now() - HOUR)

    await stage.town.act_and_carry(stage.restore_answers())

    row = await stage.town.row(PROVINCE, sent)
    assert (row.state, row.code) == ("quarantined", "CERT-REVOKED")


async def test_k4_the_mark_goes_when_the_sender_turns_out_good(stage: Stage) -> None:
    await stage.falls_silent(5 * HOUR)
    await stage.town.brought(packet(stage.town))

    await stage.restore_answers()

    admitted = await stage.town.only()
    (alert,) = await stage.alerts(admitted.id)
    assert (admitted.marks, admitted.checks["revocation"]) == ((), "good")
    assert alert.data["state"] == "good"
    assert await stage.town.count("revocation_pending") == 0


async def test_k4_a_sender_found_revoked_before_the_arrival_is_marked_and_alarmed_and_nothing_is_deleted(
    stage: Stage,
) -> None:
    await stage.falls_silent(5 * HOUR)
    await stage.town.brought(packet(stage.town))
    stage.revoke(START + HOUR)

    await stage.restore_answers()

    admitted = await stage.town.only()
    (alert,) = await stage.alerts(admitted.id)
    assert admitted.marks == (rejudge.REVOKED_BEFORE,)
    assert admitted.checks["revocation"] == "revoked"
    assert (alert.data["state"], alert.data["reason"]) == ("revoked", "keyCompromise")
    assert alert.data["revoked_at"] == (START + HOUR).isoformat()
    assert await stage.town.read(admitted) == PDF


async def test_k4_a_status_whose_sender_was_revoked_before_is_alarmed_too(stage: Stage) -> None:
    await stage.falls_silent(5 * HOUR)
    await stage.town.act_and_carry(stage.town.send("15", DEPARTMENT, sender=PROVINCE))
    stage.revoke(START + HOUR)

    await stage.restore_answers()

    (status,) = [x for x in await stage.town.inbox(PROVINCE) if x.kind == "status"]
    (alert,) = await stage.alerts(status.id)
    assert (status.state, alert.data["state"]) == ("done", "revoked")


async def test_threat_045_an_old_good_answer_played_again_does_not_undo_a_revocation(stage: Stage) -> None:
    """The responder, or an attacker before it, gives yesterday's good answer, without our nonce."""
    signer = stage.town.node.keys.signer(DEPARTMENT, START)
    certificate = x509.load_der_x509_certificate(signer.certificate_der)
    old = ocsp_answer(certificate, stage.authority.party, valid=(START - HOUR, START + 2 * DAY))
    stage.revoke(START - HOUR)
    await stage.turn()
    old_evidence = stage.evidence()
    stage.responder.answer = lambda body: Reply(body=old) if body else DOWN

    await stage.advance(DAY)

    assert (old_evidence.revocation, stage.evidence().revocation) == ("revoked", "revoked")
    questions = {x.question.about: x for x in await stage.town.node.store.revocation.questions()}
    assert "older" in (questions[f"{certificate.serial_number:x}"].error or "")


async def test_threat_045_the_list_answers_when_the_responder_is_silent(stage: Stage) -> None:
    stage.authority.is_up, stage.authority.has_list = False, True
    await stage.turn()
    good = stage.evidence()
    stage.revoke(START)
    await stage.advance(HOUR)

    evidence = stage.evidence()

    assert (good.revocation, good.revocation_source) == ("good", "crl")
    assert (evidence.revocation, evidence.revocation_source, evidence.revocation_reason) == (
        "revoked",
        "crl",
        "keyCompromise",
    )


async def test_threat_045_who_does_not_answer_is_asked_more_and_more_rarely(stage: Stage) -> None:
    stage.authority.is_up = False
    for _ in range(60):
        await stage.advance(MINUTE)

    questions = len(await stage.town.node.store.revocation.questions())
    assert questions < len(stage.responder.requests) <= questions * 14


async def test_an_answer_is_asked_for_again_before_it_runs_out(stage: Stage) -> None:
    await stage.turn()
    for _ in range(12):
        await stage.advance(10 * MINUTE)
        assert stage.evidence().revocation == "good"

    assert stage.evidence().revocation_as_of is not None


async def test_stored_answers_serve_after_a_restart_before_any_question(
    tmp_path: Path, responder: Responder
) -> None:
    clock = ManualClock()
    async with staged(tmp_path / "node", responder, clock) as stage:
        await stage.turn()
    question_count = len(responder.requests)

    async with staged(tmp_path / "node", responder, clock) as second_stage:
        evidence = second_stage.evidence()

    assert (evidence.revocation, evidence.revocation_source) == ("good", "ocsp")
    assert len(responder.requests) == question_count


async def test_another_process_of_the_node_uses_the_answers_of_this_one(
    tmp_path: Path, responder: Responder
) -> None:
    clock = ManualClock()
    async with (
        staged(tmp_path / "node", responder, clock) as first_stage,
        staged(tmp_path / "node", responder, clock) as second_stage,
    ):
        await first_stage.turn()
        question_count = len(responder.requests)
        await second_stage.turn()

        assert second_stage.evidence().revocation == "good"
        assert len(responder.requests) == question_count


async def test_a_list_put_into_the_folder_is_read_without_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path / "node") as town:
        authority = Authority(tmp_path / "node", town.clock)
        signer = town.node.keys.signer(DEPARTMENT, START)
        old = town.node.trust.collect(signer.certificate_der, START)
        lists = tmp_path / "node" / "trust" / "crl"
        lists.mkdir()
        certificate = x509.load_der_x509_certificate(signer.certificate_der)
        listed = authority.party.revocation_list(
            (certificate, START - HOUR, None), valid=(START - MINUTE, START + HOUR)
        )
        (lists / "a.pem").write_bytes(listed.public_bytes(Encoding.PEM))

        new = town.node.trust.collect(signer.certificate_der, START)
        (lists / "a.pem").write_bytes(b"half a list")
        broken = town.node.trust.collect(signer.certificate_der, START)

    assert (old.revocation, new.revocation, broken.revocation) == ("unknown", "revoked", "revoked")
