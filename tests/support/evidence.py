"""A document is sent, received, registered, sealed and stamped, and both sides make their packs of it; the trust folder
with which a court would check them is there as well. This is done once per process: tests change copies of the bytes."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper

from gateway.domain.document import IncomingDocument, OutgoingDocument
from gateway.domain.evidence import Manifest, PackSignature, signed_bytes
from gateway.domain.sealed_log import Stamp
from gateway.ops.evidence import pack_file, verify
from gateway.ops.evidence.judge import PackReport
from gateway.ops.evidence.make import EvidenceMaker
from gateway.ops.evidence.pack_file import EvidenceKey, PackPart, part_of, prepare
from gateway.policy.upkeep import Rhythm
from gateway.trust import seals
from gateway.workers.event_log import LogSealer
from gateway_labs.authority import Authority
from tests.support import node
from tests.support.clock import START
from tests.support.pki import NOT_AFTER, NOT_BEFORE, key

# The stage's certificates run for two years; by then every one of them has expired.
YEARS_LATER = datetime(2031, 3, 4, tzinfo=UTC)
SOON = START + timedelta(days=1)


class TimeAuthority:
    """A timestamp authority in memory (`workers.event_log.TimeAuthority`)."""

    def __init__(self, name: str = "Time", at: datetime | None = None, ends: datetime = NOT_AFTER) -> None:
        self.at = at
        own = key("rsa-2048", f"{name} authority")
        assert isinstance(own, rsa.RSAPrivateKey)
        root_key = key("rsa-2048", f"{name} root")
        assert isinstance(root_key, rsa.RSAPrivateKey)
        self.root = _certificate(f"{name} root", f"{name} root", root_key, root_key, stamps=False)
        issued = _certificate(f"{name} authority", f"{name} root", own, root_key, stamps=True, ends=ends)
        self._certificate = asn1_x509.Certificate.load(issued.public_bytes(Encoding.DER))
        self._key = asn1_keys.PrivateKeyInfo.load(
            own.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        )

    def stamp(self, data: bytes) -> tuple[bytes, Stamp]:
        stamper = DummyTimeStamper(self._certificate, self._key, fixed_dt=self.at)
        _, request = stamper.request_cms(hashlib.sha256(data).digest(), "sha256")  # type: ignore[no-untyped-call]
        token = stamper.request_tsa_response(request)["time_stamp_token"].dump()
        return token, seals.check_stamp(token, data, [self.root])


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Products of the scene: packs, and the means of a court. `trust` has everything that the packs need."""

    folder: Path
    sent: bytes
    received: bytes
    unstamped: bytes
    trust: Path
    seal: Path
    authority: Authority
    certificates: dict[str, x509.Certificate]
    stamped_at: datetime

    def copy_of_trust(self, to: Path) -> Path:
        return shutil.copytree(self.trust, to)


@cache
def played_scene() -> Scene:
    """Play the scene, once per process."""
    return asyncio.run(_play())


def check(
    pack: bytes, folder: Path, trust: Path | None, seal: Path | None = None, at: datetime = SOON
) -> PackReport:
    """Verify a pack as `gateway evidence verify` does."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "pack.zip"
    file.write_bytes(pack)
    return verify.verify(file, trust, seal, at)


def rebuilt(
    pack: bytes,
    folder: Path,
    signer: EvidenceKey,
    changed: dict[str, bytes] | None = None,
    words: Manifest | None = None,
) -> bytes:
    """Make the pack of a forger: other members, a manifest that fits them, and the forger's own key."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "rebuilt.zip"
    file.write_bytes(pack)
    opened = pack_file.read_pack(file)
    members = {m.name: (m.media, opened.read(m.name)) for m in opened.manifest.members}
    for name, content in (changed or {}).items():
        members[name] = (members[name][0] if name in members else "application/octet-stream", content)
    parts: list[PackPart] = [part_of(name, media, content) for name, (media, content) in members.items()]
    return b"".join(prepare(parts, words or opened.manifest, signer).pieces())


def unpacked(pack: bytes, folder: Path) -> dict[str, bytes]:
    """Return every member of a pack by its name."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "unpacked.zip"
    file.write_bytes(pack)
    opened = pack_file.read_pack(file)
    return {member.name: opened.read(member.name) for member in opened.manifest.members}


def signature_of(manifest: bytes, signer: EvidenceKey) -> bytes:
    return PackSignature(
        public_key=signer.public_key, signature=signer.sign(signed_bytes(manifest))
    ).to_bytes()


async def sealed(town: node.Town, authority: TimeAuthority | None) -> None:
    """Give all events their numbers and seal the log; stamp the seal if there is a time authority."""
    await town.number()
    worker = LogSealer(
        log=town.node.store.log,
        open_key=partial(seals.open_seal_key, town.node.settings.keys.folder, None),
        clock=town.clock,
        pool=town.node.pool,
        rhythm=Rhythm(),
        authority=authority,
    )
    town.clock.advance(timedelta(minutes=2))
    if authority is not None:
        authority.at = town.clock.now()
    await worker.step()


async def exchanged(
    town: node.Town, number: str = "15", **more: Any
) -> tuple[OutgoingDocument, IncomingDocument]:
    """Send, receive and register a document, and carry its receipts; return it as sent and as received."""
    sent = await town.act_and_carry(town.send(number, **more))
    arrived = await town.as_incoming(sent)
    await town.act_and_carry(town.status(arrived, "03", register_no=number))
    return sent, await town.reload(arrived)


async def pack_of(town: node.Town, code: str, id: str) -> bytes:
    packed = await EvidenceMaker(town.node).make(await town.scope(code), id)
    return b"".join(packed.pieces())


async def _play() -> Scene:
    folder = Path(tempfile.mkdtemp(prefix="gateway-evidence-"))
    authority = TimeAuthority()
    async with node.opened(folder / "node") as town:
        tsa = town.node.settings.trust.folder / "tsa"
        tsa.mkdir()
        (tsa / "ca.pem").write_bytes(authority.root.public_bytes(Encoding.PEM))
        sent, arrived = await exchanged(town)
        await sealed(town, None)
        unstamped = await pack_of(town, node.DEPARTMENT, sent.id)
        town.clock.advance(timedelta(minutes=2))
        await exchanged(town, "16")
        await sealed(town, authority)
        head = await town.node.store.log.head()
        assert head.seal is not None
        await town.node.store.log.record_published(head.seal.signed.seal.number, town.clock.now())
        (folder / "published.seal").write_bytes(head.seal.to_bytes())
        settings = town.node.settings
        return Scene(
            folder=folder,
            sent=await pack_of(town, node.DEPARTMENT, sent.id),
            received=await pack_of(town, node.PROVINCE, arrived.id),
            unstamped=unstamped,
            trust=shutil.copytree(settings.trust.folder, folder / "trust"),
            seal=folder / "published.seal",
            authority=Authority.load(settings.node.data_dir / "authority"),
            certificates={
                code: x509.load_der_x509_certificate(
                    town.node.keys.signer(code, town.clock.now()).certificate_der
                )
                for code in (node.DEPARTMENT, node.PROVINCE)
            },
            stamped_at=authority.at or START,
        )


def _certificate(
    subject: str,
    issuer: str,
    own: rsa.RSAPrivateKey,
    by: rsa.RSAPrivateKey,
    *,
    stamps: bool,
    ends: datetime = NOT_AFTER,
) -> x509.Certificate:
    usage = x509.KeyUsage(
        digital_signature=stamps,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not stamps,
        crl_sign=not stamps,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=not stamps, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if stamps:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(purpose, critical=True)
    return builder.sign(by, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
