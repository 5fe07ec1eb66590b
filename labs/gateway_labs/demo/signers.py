"""Signs PDFs for the demonstration and for tests: a person's signature and an agency's seal. In: an authority made for the
occasion, names. Out: signed bytes. Keys are made here and now and lie in no file. The demonstration's lead files are signed
once, in a staged folder, so that a repeated story sends the same bytes; beside them lie the anchors to trust their
seals."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.domain.pdf import Area, Layout, Placement, Purpose, Size, Wish
from gateway.domain.seals import CertificateKind
from gateway.domain.wall_clock import local
from gateway.outgoing.sign_pdf import SEAL_TYPE, SEAL_WIDTH
from gateway.policy import pdf_signing
from gateway.settings import Settings
from gateway.trust.pdf_signing.agency_key import HeldKey
from gateway.trust.pdf_signing.signer import PadesSigner
from gateway_labs.authority import Authority
from gateway_labs.demo import papers
from gateway_labs.demo.papers import printed
from gateway_labs.demo.pictures import hand_image, seal_png
from gateway_labs.demo.stage import ACTORS, Cast, signer_of

_NO_TEXT = Layout(lines=(), type_size=1.0, size=Size(width=0, height=0))
_YEARS = timedelta(days=3650)
_BEGAN = "began.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSigners:
    """A person and an agency with keys of one authority. Signing blocks: inside an event loop, call it in the pool."""

    agency_name: str
    person: HeldKey
    agency: HeldKey
    signer: PadesSigner

    @classmethod
    def create(
        cls, authority: Authority, code: str, agency_name: str, person_name: str, at: datetime
    ) -> DemoSigners:
        """Make new keys, certified until the authority's usual end."""
        surname, _, given_name = person_name.partition(" ")
        person = [(NameOID.SURNAME, surname), (NameOID.GIVEN_NAME, given_name or surname)]
        return cls(
            agency_name=agency_name,
            person=_issue_key(authority, _name(agency_name, person_name, person), at),
            agency=_issue_key(
                authority, _name(agency_name, agency_name, [(NameOID.USER_ID, f"MDVQHNS:{code}")]), at
            ),
            signer=PadesSigner(),
        )

    @property
    def certificates(self) -> tuple[x509.Certificate, x509.Certificate]:
        """Return the person's and the agency's certificate."""
        person, agency = (
            x509.load_der_x509_certificate(k.facts.certificate_der) for k in (self.person, self.agency)
        )
        return person, agency

    def signed_by_both(self, pdf: bytes, area: Area, at: datetime, page: int = 1) -> bytes:
        """Sign as an official document leaves: the person's signature in that area, the seal over a third of it."""
        return self.sealed(self.signed_by_person(pdf, area, at, page), at)

    def signed_by_person(self, pdf: bytes, area: Area, at: datetime, page: int = 1) -> bytes:
        placement = Placement(page=page, area=area, image=area, text=area, layout=_NO_TEXT)
        picture = hand_image(area.width / area.height)
        return _through_files(
            pdf, lambda path, out: self.signer.sign_picture(path, out, placement, picture, self.person, at)
        )

    def sealed(self, pdf: bytes, at: datetime) -> bytes:
        """Put the agency's seal over the last visible personal signature."""
        image = seal_png(self.agency_name)
        wish = Wish(purpose=Purpose.SEAL, agency_name=self.agency_name)

        def sign_with_seal(path: Path, out: Path) -> None:
            standing = self.signer.examine(path)
            view = self.signer.view(path, pdf_signing.page_for(standing, wish))
            words = [self.agency_name, local(at).isoformat(timespec="seconds")]
            text = self.signer.set_text(words, SEAL_TYPE, SEAL_WIDTH)
            placement = pdf_signing.place_seal(standing, wish, view, self.signer.image_size(image), text)
            self.signer.sign(path, out, placement, image, self.agency, at)

        return _through_files(pdf, sign_with_seal)


def _name(organisation: str, common: str, more: Sequence[tuple[x509.ObjectIdentifier, str]]) -> x509.Name:
    parts = [(NameOID.ORGANIZATION_NAME, organisation), (NameOID.COMMON_NAME, common), *more]
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])


def _issue_key(authority: Authority, subject: x509.Name, at: datetime) -> HeldKey:
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, SHA256())
    certificate = authority.issue_for_request(request.public_bytes(Encoding.PEM), at)
    return HeldKey(key, certificate, [authority.certificate], at)


def _through_files(pdf: bytes, work: Callable[[Path, Path], object]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="gateway-signing-") as folder:
        path, out = Path(folder) / "in.pdf", Path(folder) / "out.pdf"
        path.write_bytes(pdf)
        work(path, out)
        return out.read_bytes()


def sign_lead_files(settings: Settings, cast: Cast, at: datetime, *, desks: bool = True) -> Cast:
    """Sign the cast's lead files; those of the desks only where they are laid. Blocks: call it in a thread."""
    place = settings.node.data_dir / "signed"
    if not place.is_dir():
        with tempfile.TemporaryDirectory(dir=settings.node.data_dir, prefix="signing-") as folder:
            signed = Path(folder) / "signed"
            _make_signed(signed, replace(cast, began=local(at).date()), at, desks=desks)
            signed.rename(place)
    shutil.copytree(place / "trust", settings.trust.folder / "pdf", dirs_exist_ok=True)
    began = date.fromisoformat((place / _BEGAN).read_text("ascii"))
    return replace(cast, signed=place, began=began)


def _make_signed(place: Path, cast: Cast, at: datetime, *, desks: bool) -> None:
    (place / "trust" / "crl").mkdir(parents=True)
    authority = Authority.create("Demo authority of signatures", at)
    (place / "trust" / "ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    (place / "trust" / "crl" / "demo.pem").write_bytes(authority.revocation_list([], at, _YEARS))
    today = local(at).date()
    (place / _BEGAN).write_text(today.isoformat(), "ascii")
    signers = {actor: _signers_of(authority, cast, actor, at) for actor in ACTORS}
    (place / "seals").mkdir()
    for actor in ACTORS:
        person, seal = signers[actor].certificates
        for kind, certificate in ((CertificateKind.PERSON, person), (CertificateKind.SEAL, seal)):
            (place / "seals" / f"{actor}-{kind}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    for key in cast.data["documents"]:
        if cast.is_of_desks(key) and not desks:
            continue
        day = cast.issued_on(key, today)
        paper, by = printed(papers.paper_of(cast.data, key, day)), signers[cast.sender(key)]
        signed_at = at + (day - today)
        signed = by.signed_by_person(paper.pdf, paper.area, signed_at, paper.page)
        sealing = signers[cast.document(key).get("sealed_by", cast.sender(key))]
        (place / f"{key}.pdf").write_bytes(sealing.sealed(signed, signed_at))


def _signers_of(authority: Authority, cast: Cast, actor: str, at: datetime) -> DemoSigners:
    agency = cast.data[actor]
    return DemoSigners.create(authority, agency["code"], agency["name"], signer_of(cast, actor)[0], at)
