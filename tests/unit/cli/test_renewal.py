"""A certificate of our own is renewed before its end: the node makes key and request once, imports what fits the request
and tells the outcome by mail; binding it stays with two people."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.bootstrap import core
from gateway.cli.renewal import IMPORTED, REFUSED, take_dropped
from gateway.ops import checks
from gateway.ops.subject import Subject
from gateway.settings.options import AlarmSettings, MailSettings, Settings
from gateway.transport.mail import NONE
from gateway.trust.key_material import KeyEntry, agency_name
from gateway_labs.authority import Authority
from tests.support.cases import Cases
from tests.support.mail_server import MailServer, running
from tests.support.node import DEPARTMENT, PROVINCE, Town, opened


@dataclass(frozen=True, kw_only=True)
class Renewal:
    """A town whose certificates end in three weeks, the mail server of its operators, and the folder."""

    town: Town
    mails: MailServer
    folder: Path

    async def watch(self) -> None:
        node = self.town.node
        await core.key_watch(
            node.store, node.directory, node.keys, node.trust, node.deciding, node.settings.keys.renew_days
        ).step()

    def waiting(self, code: str = DEPARTMENT) -> list[KeyEntry]:
        return [entry for entry in self.town.node.keys.entries(code) if entry.certificate_der is None]

    def request(self) -> bytes:
        (entry,) = self.waiting()
        return (self.town.node.settings.keys.folder / DEPARTMENT / f"{entry.key_id}.csr.pem").read_bytes()

    def issue(self, request: bytes, authority: Authority | None = None) -> bytes:
        trusted = Authority.load(self.town.node.settings.node.data_dir / "authority")
        certificate = (authority or trusted).issue_for_request(request, self.town.clock.now())
        return certificate.public_bytes(Encoding.PEM)

    async def drop(self, pem: bytes, name: str = "issued.pem") -> str:
        """Drop a certificate, and return where it went."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / name).write_bytes(pem)
        os.utime(self.folder / name, (0, 0))
        await take_dropped(self.town.node, self.folder)
        return next(place for place in (IMPORTED, REFUSED) if (self.folder / place / name).is_file())

    def subjects(self) -> list[str]:
        return [str(mail.message["Subject"]) for mail in self.mails.mails]


@pytest.fixture
async def renewal(tmp_path: Path) -> AsyncIterator[Renewal]:
    async with running(MailServer()) as mails:

        def with_mail(settings: Settings) -> Settings:
            mail = MailSettings(host="127.0.0.1", port=mails.port, security=NONE, sender="node@example.vn")
            return replace(settings, mail=mail, alarms=AlarmSettings(mail="op@example.vn"))

        async with opened(tmp_path / "node", change=with_mail) as town:
            der = town.node.keys.signer(DEPARTMENT, town.clock.now()).certificate_der
            ends = x509.load_der_x509_certificate(der).not_valid_after_utc
            town.clock.advance(ends - timedelta(days=21) - town.clock.now())
            yield Renewal(town=town, mails=mails, folder=tmp_path / "certificates")


async def test_a_key_and_its_request_are_made_once_before_the_end_and_doctor_names_them(
    renewal: Renewal,
) -> None:
    for _ in range(2):
        await renewal.watch()

    (entry,) = renewal.waiting()
    assert len(renewal.waiting(PROVINCE)) == 1
    request = x509.load_pem_x509_csr(renewal.request())
    assert f"CN={DEPARTMENT}" in request.subject.rfc4514_string()
    findings = await checks.examine(Subject.within(renewal.town.node))
    (finding,) = [f for f in findings if f.cause == "keys.requested" and f.params["code"] == DEPARTMENT]
    assert (finding.level, finding.params["key"]) == ("yellow", entry.key_id)


async def test_a_certificate_that_fits_the_request_is_imported_and_signs_only_when_two_people_bound_it(
    renewal: Renewal,
) -> None:
    node = renewal.town.node
    await renewal.watch()
    (entry,) = renewal.waiting()
    sent = await renewal.town.send("15")

    assert await renewal.drop(renewal.issue(renewal.request())) == IMPORTED

    assert renewal.waiting() == []
    assert [entry.key_id in subject for subject in renewal.subjects()] == [True]
    await renewal.town.carry()
    assert (await renewal.town.delivery(sent)).state == "delivered", "under the certificate that is bound"
    assert len(await node.directory.in_force(node.clock.now())) == len((DEPARTMENT, PROVINCE, "commune"))


async def test_a_certificate_that_does_not_fit_is_refused_with_its_reason(
    renewal: Renewal, cases: Cases
) -> None:
    node = renewal.town.node
    await renewal.watch()
    request = renewal.request()
    stranger = Authority.create("Stranger", node.clock.now())
    (entry,) = renewal.waiting()
    key = node.keys._load_key(DEPARTMENT, entry.key_id)
    renamed = x509.CertificateSigningRequestBuilder().subject_name(agency_name(PROVINCE, "Sở"))
    other_code = renamed.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    signing = node.keys.signer(DEPARTMENT, node.clock.now()).certificate_der
    in_use = x509.load_der_x509_certificate(signing).public_bytes(Encoding.PEM)
    wrong = {
        "of an unknown authority": (renewal.issue(request, stranger), "no authority"),
        "of another code": (renewal.issue(other_code), PROVINCE),
        "of a key in use": (in_use, "no request"),
        "no certificate": (b"half", "certificate"),
    }

    for n, (name, (pem, reason)) in enumerate(wrong.items()):
        with cases.case(name):
            assert await renewal.drop(pem, f"{n}.pem") == REFUSED
            assert reason in renewal.subjects()[-1] + str(renewal.mails.mails[-1].message.get_content())

    assert len(renewal.waiting()) == 1
