"""The same work in memory as pyas2lib does, by what this program is made of, in turns in one run: a document written
and signed, read and verified, its signed receipt written, and that verified. Nothing is encrypted, nothing touches a
disk. Ours includes the second reading of what was written, before it may leave, and the check against the schema."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from random import Random
from statistics import median
from time import process_time
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench import environments
from bench.amounts import number
from bench.machine import MB
from bench.pair import Broken, Side
from gateway.cli.serve import freeze_loaded
from gateway.domain.proof import SignedEnvelope
from gateway.edxml import build, schema, verify
from gateway.edxml.envelope import Envelope
from gateway.edxml.policy import EnvelopeLimits, XmlPolicy
from gateway.ports.services import EnvelopeSigner
from tests.support import envelopes, pki

LIBRARY = "pyas2lib==1.4.4"
SENDER, RECEIVER = envelopes.SENDER, envelopes.RECEIVER
# Wanted: at least so many times as fast; and the key that both sign with. Our own nodes' keys are P-256.
TARGET_RATIOS = {10_000: 6.0, MB: 5.0, 10 * MB: 6.0}
EQUAL, OWN = "rsa-2048", "p256"
_PIECE = 256 * 1024
_POLICY = XmlPolicy(limits=EnvelopeLimits())


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Amounts of work."""

    sizes: tuple[int, ...] = number(tuple(TARGET_RATIOS), "bytes of a document", read=int)
    seconds: float = number(6.0, "about so long for each size", quick=1.5)
    turns: int = number(5, "in turns, so that a machine that slows down slows both", quick=3)
    venv: str = number(
        "", "a virtual environment with the library; without one it is made below the cache folder"
    )


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Measure both. `missing` says why there are no rows, where the library cannot be had."""
    for name in (schema.DOCUMENT, schema.STATUS):
        schema.compiled(name)
    freeze_loaded()  # as a node does
    try:
        python = await environments.interpreter([LIBRARY], numbers.venv)
    except Broken as why:
        return {"library": LIBRARY, "rows": [], "missing": str(why)}
    for code, name in ((SENDER, "sender"), (RECEIVER, "receiver")):
        (folder / f"{name}.pem").write_bytes(pem(code))
    async with _theirs(python, folder) as side:
        rows = [await _size(side, size, numbers) for size in numbers.sizes]
    return {"library": LIBRARY, "rows": rows, "missing": ""}


@asynccontextmanager
async def _theirs(python: Path, folder: Path) -> AsyncIterator[Side]:
    child = Path(__file__).with_name("peer_child.py")
    side = Side(
        await asyncio.create_subprocess_exec(str(python), str(child), str(folder), stdin=PIPE, stdout=PIPE)
    )
    try:
        await side.read_answer()
        yield side
    finally:
        await side.stop()


async def _size(side: Side, size: int, numbers: Numbers) -> dict[str, Any]:
    """Measure one size. The first rounds of each warm up. Each works as long as the other in its turn: a short worker is
    measured while the processor still fetches its data."""
    content = Random(size).randbytes(size)
    first = median((await side.ask("round", size=size, rounds=2))["cpu"])
    own_first = min(once(content, kind) for _ in range(2) for kind in (EQUAL, OWN))
    each_s = numbers.seconds / numbers.turns / 3
    rounds, own_rounds = max(1, round(each_s / first)), max(1, round(each_s / own_first))
    theirs: list[float] = []
    ours: dict[str, list[float]] = {EQUAL: [], OWN: []}
    for _ in range(numbers.turns):
        theirs += (await side.ask("round", size=size, rounds=rounds))["cpu"]
        for kind, spent in ours.items():
            spent += [once(content, kind) for _ in range(own_rounds)]
    their, equal, own = median(theirs), median(ours[EQUAL]), median(ours[OWN])
    return {
        "bytes": size,
        "rounds": len(theirs),
        "theirs_ms": round(their * 1000, 2),
        "ours_ms": round(equal * 1000, 2),
        "ratio": round(their / equal, 2),
        "own_key_ms": round(own * 1000, 2),
        "own_key_ratio": round(their / own, 2),
        "wanted": TARGET_RATIOS.get(size, 0.0),
    }


def once(content: bytes, kind: str) -> float:
    """Return the CPU seconds of one document and its receipt, with keys of that kind."""
    sender, receiver = pki.signer(SENDER, kind), pki.signer(RECEIVER, kind)
    files = (("van-ban.pdf", content),)
    begun = process_time()
    document = envelopes.document(files)
    sent = _envelope(document, files, sender, envelopes.qualifier(document))
    received = _take_in(sent, sender)
    true = replace(
        envelopes.receipt("01"),
        body_digest=received.body_digest,
        file_digest=received.file_digest,
        size=received.file_size,
    )
    status = envelopes.status("01")
    back = _envelope(status, (), receiver, envelopes.qualifier(status, true))
    answered = _take_in(back, receiver)
    spent = process_time() - begun
    assert answered.receipt == true
    return spent


def _envelope(
    model: Envelope, files: envelopes.Files, signer: EnvelopeSigner, qualifier: build.Qualifier
) -> bytes:
    """Write a document as it would leave: read again by the fast path (W10), its files closed."""
    out = BytesIO()
    build.write(model, envelopes.contents(files), out, signer, qualifier, envelopes.SIGNED_AT)
    envelope = out.getvalue()
    _verified(envelope, signer, opens=False)
    return envelope


def _take_in(raw: bytes, signer: EnvelopeSigner) -> SignedEnvelope[Envelope]:
    """Take a document in as a receiver does: verified, and checked against the schema, at once where it is small."""
    verified = _verified(raw, signer)
    if not verified.keeps_form():
        problems = schema.check(schema.skeleton(_without_files(raw, verified.signed), _POLICY.limits))
        assert not problems, problems
    return verified.signed


def _verified(raw: bytes, signer: EnvelopeSigner, *, opens: bool = True) -> verify.Verified:
    source = verify.EnvelopeSource(size=len(raw), open=partial(_pieces, raw))
    own = envelopes.binding(signer)
    verified = verify.examine_fast(
        source,
        policy=_POLICY,
        bindings=lambda code: (own,),
        at=envelopes.SIGNED_AT,
        transport=None,
        opens=opens,
    )
    assert verified is not None, "not in canonical form"
    return verified


def _without_files(raw: bytes, signed: SignedEnvelope[Envelope]) -> Iterator[bytes]:
    position = 0
    for part in signed.files:
        yield raw[position : part.offset]
        position = part.offset + part.length
    yield raw[position:]


def _pieces(raw: bytes) -> Iterator[bytes]:
    for start in range(0, len(raw), _PIECE):
        yield raw[start : start + _PIECE]


def pem(code: str) -> bytes:
    """Return the key and the certificate that we sign with, for the other library."""
    key = pki.key(EQUAL, code).private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    certificate = x509.load_der_x509_certificate(pki.signer(code, EQUAL).certificate_der)
    return key + certificate.public_bytes(Encoding.PEM)
