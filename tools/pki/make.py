"""Makes a whole public key infrastructure for trying out: authorities, certificates that are good or wrong in one stated
way, revocation lists and OCSP answers. In: a time and a folder. Out: PEM and DER files with a table of what each one is,
or, for tests, the same in memory as a `Pki`. Run it: `python tools/pki/make.py FOLDER`."""

from __future__ import annotations

import csv
import ipaddress
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tools.pki.parts import (
    DAY,
    HOUR,
    ISSUING,
    NO_CHECK,
    SIGNING,
    UNKNOWN,
    YEARS,
    Extension,
    Party,
    Span,
    key,
    name,
    ocsp_answer,
    root,
    try_later,
    usage,
)

_NETWORK = ipaddress.IPv4Network("192.0.2.0/24")
CODE, OTHER_CODE = "Z91", "Z92.01"
DEEP, LONG = 50, 6
HELD_BACK = x509.ReasonFlags.certificate_hold
STOLEN = x509.ReasonFlags.key_compromise
_RESPONDING = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)


@dataclass(frozen=True)
class Pki:
    """Public key infrastructure of one moment. Each part is made once; certificates of one name are the same."""

    at: datetime

    @cached_property
    def root(self) -> Party:
        return root("Demo Root CA", (self.at - 5 * YEARS, self.at + 15 * YEARS))

    @cached_property
    def agencies_ca(self) -> Party:
        """The authority that agencies' certificates come from."""
        return self._authority("Demo Agencies CA", path_length=0)

    @cached_property
    def authorities(self) -> Mapping[str, Party]:
        """Intermediates by the name of their case; `agencies` is the good one."""
        at, top = self.at, self.root
        bad = {
            "agencies": self.agencies_ca,
            "no-ca": top.issue("No CA flag", valid=(at - YEARS, at + YEARS), use=ISSUING),
            "no-cert-sign": top.issue(
                "May not sign", valid=(at - YEARS, at + YEARS), authority=True, use=usage("crl_sign")
            ),
            "expired-ca": top.issue("Expired CA", valid=(at - 2 * YEARS, at - DAY), authority=True),
            "critical-ca": self._authority("Odd CA", (UNKNOWN, True)),
            "sha1-ca": top.issue("SHA-1 CA", valid=(at - YEARS, at + YEARS), authority=True, strong=False),
            "named": self._authority("Named CA", _permit(x509.DirectoryName(_organisation("Sao Mai")))),
            "mail-named": self._authority("Mail CA", _permit(x509.RFC822Name("sao-mai.example"))),
            "ip-named": self._authority("Address CA", _permit(x509.IPAddress(_NETWORK))),
            "policy-ca": self._authority("Policy CA", (x509.PolicyConstraints(0, None), True)),
            "short": self._authority("Short CA", path_length=0),
        }
        bad["below-short"] = bad["short"].issue(
            "Below short CA", valid=(at - YEARS, at + YEARS), authority=True
        )
        bad |= {f"long-{n}": party for n, party in enumerate(self._tower("Long", LONG - 2), start=1)}
        bad |= {f"deep-{n}": party for n, party in enumerate(self._tower("Deep", DEEP - 2), start=1)}
        first, second = self._loop
        return bad | {"loop-1": first, "loop-2": second} | dict(self._crowd())

    @cached_property
    def certificates(self) -> Mapping[str, Party]:
        """Agencies' certificates by the name of their case, in a fixed order."""
        at, ca, by = self.at, self.agencies_ca, self.authorities
        cases: dict[str, Party] = {
            "good": self._leaf(ca),
            "good-below-root": self._leaf(self.root),
            "expired": ca.issue(CODE, valid=(at - YEARS, at - HOUR)),
            "not-yet-valid": ca.issue(CODE, valid=(at + HOUR, at + YEARS)),
            "revoked": self._leaf(ca),
            "revoked-later": self._leaf(ca),
            "on-hold": self._leaf(ca),
            "wrong-usage": self._leaf(ca, use=usage("key_encipherment")),
            "no-usage": self._leaf(ca, use=None),
            "servers-only": self._leaf(ca, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)),
            "an-authority": ca.issue(CODE, valid=(at - YEARS, at + YEARS), authority=True),
            "other-agency": ca.issue(OTHER_CODE, valid=(at - YEARS, at + YEARS)),
            "unknown-critical": self._leaf(ca, (UNKNOWN, True)),
            "unknown-not-critical": self._leaf(ca, (UNKNOWN, False)),
            "weak-rsa": self._leaf(ca, kind="rsa-1024"),
            "weak-curve": self._leaf(ca, kind="p192"),
            "sha1": self._leaf(ca, strong=False),
            "self-signed": root(CODE, self._year),
            "unknown-ca": self._leaf(root("Stranger Root CA", self._year)),
            "impostor-ca": self._leaf(self.impostor),
        }
        for case in ("no-ca", "no-cert-sign", "expired-ca", "critical-ca", "sha1-ca", "policy-ca"):
            cases[f"below-{case}"] = self._leaf(by[case])
        cases["path-length"] = self._leaf(by["below-short"])
        cases["name-allowed"] = self._leaf(by["named"], organisation="Sao Mai")
        cases["name-breach"] = self._leaf(by["named"], organisation="Binh Minh")
        cases["mail-allowed"] = self._leaf(by["mail-named"], _mail("a@sao-mai.example"))
        cases["mail-breach"] = self._leaf(by["mail-named"], _mail("a@binh-minh.example"))
        cases["address-unjudged"] = self._leaf(by["ip-named"], _address())
        cases["five-long"] = self._leaf(by[f"long-{LONG - 3}"])
        cases["six-long"] = self._leaf(by[f"long-{LONG - 2}"])
        cases["deep"] = self._leaf(by[f"deep-{DEEP - 2}"])
        cases["loop"] = self._leaf(by["loop-1"])
        cases["crowd"] = self._leaf(by["crowd-1"])
        return cases

    @cached_property
    def impostor(self) -> Party:
        """The right name over another key."""
        return Party(certificate=self.agencies_ca.certificate, private_key=key("impostor"))

    @cached_property
    def responders(self) -> Mapping[str, Party]:
        """Signers of OCSP answers: `good` may sign, the others may not."""
        at, ca = self.at, self.agencies_ca
        span = (at - YEARS, at + YEARS)
        return {
            "good": ca.issue("OCSP", _RESPONDING, NO_CHECK, valid=span),
            "not-authorised": ca.issue("OCSP without purpose", valid=span),
            "of-another-ca": self.root.issue("OCSP of the root", _RESPONDING, NO_CHECK, valid=span),
            "expired": ca.issue("OCSP expired", _RESPONDING, NO_CHECK, valid=(at - 2 * YEARS, at - YEARS)),
            "impostor": self.impostor.issue("OCSP", _RESPONDING, NO_CHECK, valid=span),
        }

    def answers(self, subject: x509.Certificate, nonce: bytes | None = None) -> Mapping[str, bytes]:
        """OCSP answers about one certificate, by what is right or wrong with them."""
        at, ca, by = self.at, self.agencies_ca, self.responders
        now = (at - HOUR, at + DAY)
        return {
            "good": ocsp_answer(subject, ca, by["good"], nonce=nonce, valid=now),
            "good-by-issuer": ocsp_answer(subject, ca, nonce=nonce, valid=now),
            "revoked": ocsp_answer(
                subject, ca, by["good"], revoked_at=at - 10 * DAY, reason=STOLEN, nonce=nonce, valid=now
            ),
            "unknown": ocsp_answer(subject, ca, by["good"], unknown=True, nonce=nonce, valid=now),
            "stale": ocsp_answer(subject, ca, by["good"], nonce=nonce, valid=(at - 9 * DAY, at - 2 * DAY)),
            "future": ocsp_answer(subject, ca, by["good"], nonce=nonce, valid=(at + DAY, at + 2 * DAY)),
            "nonce-mismatch": ocsp_answer(subject, ca, by["good"], nonce=b"\x00" * 16, valid=now),
            "try-later": try_later(),
            "about-another": ocsp_answer(
                self.certificates["other-agency"].certificate, ca, by["good"], valid=now
            ),
        } | {
            f"by-{case}": ocsp_answer(subject, ca, by[case], nonce=nonce, valid=now)
            for case in ("not-authorised", "of-another-ca", "expired", "impostor")
        }

    def lists(self) -> Mapping[str, x509.CertificateRevocationList]:
        """Revocation lists of the moment, one per authority."""
        at, parties = self.at, self.certificates
        revoked = (
            (parties["revoked"].certificate, at - 10 * DAY, STOLEN),
            (parties["revoked-later"].certificate, at + 2 * HOUR, STOLEN),
            (parties["on-hold"].certificate, at - DAY, HELD_BACK),
        )
        return {
            "root": self.root.revocation_list(valid=(at - HOUR, at + 30 * DAY)),
            "agencies": self.agencies_ca.revocation_list(*revoked, valid=(at - HOUR, at + 7 * DAY)),
        }

    def between(self) -> list[x509.Certificate]:
        """List every intermediate, as a careless operator would put all of them into `chain/`."""
        return [p.certificate for p in self.authorities.values()]

    def _authority(self, called: str, *extensions: Extension, path_length: int | None = None) -> Party:  # fmt: skip
        return self.root.issue(
            called,
            *extensions,
            valid=(self.at - 4 * YEARS, self.at + 10 * YEARS),
            authority=True,
            path_length=path_length,
        )

    def _leaf(
        self,
        issuer: Party,
        *extensions: Extension,
        kind: str = "p256",
        use: Extension | None = SIGNING,
        strong: bool = True,
        organisation: str = "Demo",
    ) -> Party:
        return issuer.issue(
            CODE,
            *extensions,
            valid=self._year,
            private_key=key(CODE, kind),
            use=use,
            strong=strong,
            organisation=organisation,
        )

    @property
    def _year(self) -> Span:
        return self.at - YEARS, self.at + YEARS

    def _tower(self, called: str, floors: int) -> Iterator[Party]:
        upper = self.root
        for n in range(1, floors + 1):
            upper = upper.issue(f"{called} CA {n}", authority=True, valid=self._year)
            yield upper

    @cached_property
    def _loop(self) -> tuple[Party, Party]:
        """Two authorities, each certified by the other alone."""
        first = root("Loop CA 1", self._year)
        two = first.issue("Loop CA 2", authority=True, valid=self._year)
        closing = two.issue("Loop CA 1", authority=True, valid=self._year)
        return closing, two

    def _crowd(self) -> Iterator[tuple[str, Party]]:
        """Make authorities of one name, each by another key, so that every pair looks like a link."""
        top = root("Crowd CA", self._year, key("crowd root"))
        for n in range(1, 31):
            own = key(f"crowd {n}")
            yield f"crowd-{n}", top.issue("Crowd CA", authority=True, private_key=own, valid=self._year)


def _permit(subtree: x509.GeneralName) -> Extension:
    return x509.NameConstraints(permitted_subtrees=[subtree], excluded_subtrees=None), True


def _organisation(organisation: str) -> x509.Name:
    return x509.Name(list(name("any", organisation))[:2])


def _mail(address: str) -> Extension:
    return x509.SubjectAlternativeName([x509.RFC822Name(address)]), False


def _address() -> Extension:
    return x509.SubjectAlternativeName([x509.IPAddress(_NETWORK.network_address)]), False


def write(pki: Pki, folder: Path) -> None:
    """Write everything to files: a trust folder for `gateway verify`, and every case beside it."""
    for place in ("chain", "crl", "ocsp", "certificates", "answers", "intermediates"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    (folder / "ca.pem").write_bytes(_pem(pki.root.certificate))
    (folder / "chain" / "agencies.pem").write_bytes(_pem(pki.agencies_ca.certificate))
    for case, listed in pki.lists().items():
        (folder / "crl" / f"{case}.pem").write_bytes(listed.public_bytes(Encoding.PEM))
    for case, party in pki.authorities.items():
        (folder / "intermediates" / f"{case}.pem").write_bytes(_pem(party.certificate))
    for case, party in pki.certificates.items():
        _write_party(folder / "certificates" / case, party)
    for case, answer in pki.answers(pki.certificates["good"].certificate).items():
        (folder / "answers" / f"good.{case}.der").write_bytes(answer)
    with (folder / "bindings.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerows([("code", "certificate"), (CODE, "Z91.pem"), (OTHER_CODE, "Z92.01.pem")])
    (folder / "Z91.pem").write_bytes(_pem(pki.certificates["good"].certificate))
    (folder / "Z92.01.pem").write_bytes(_pem(pki.certificates["other-agency"].certificate))


def _write_party(path: Path, party: Party) -> None:
    path.with_suffix(".pem").write_bytes(_pem(party.certificate))
    own = party.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.with_suffix(".key.pem").write_bytes(own)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def main() -> int:
    """Write the infrastructure of this moment into the folder named on the command line."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python tools/pki/make.py FOLDER\n")
        return 2
    folder = Path(sys.argv[1])
    write(Pki(datetime.now(UTC).replace(microsecond=0)), folder)
    sys.stdout.write(
        f"{folder}: ca.pem, chain/, crl/, bindings.csv, and every case in certificates/ and answers/\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
