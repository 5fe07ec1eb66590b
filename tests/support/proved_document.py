"""A document that was sent and taken in, with the proof of each side, and a folder to check them with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.domain.notes import LeafProof, LogPolicy, NoteKey, NoteKind, NoteSignature, read_policy
from gateway.ops.evidence import proof_text
from gateway.trust.note_keys import NoteSigner, open_log_signer
from tests.support.evidence import exchanged, sealed
from tests.support.node import DEPARTMENT, PDF, PROVINCE, Town


@dataclass(frozen=True)
class Case:
    """A document that was sent and received; a proof of each side, and a folder to check them with."""

    proofs: dict[str, LeafProof]
    envelope: bytes
    folder: Path

    def judge(self, text: str, file: bytes | None = PDF, policy: LogPolicy | None = None) -> dict[str, Any]:
        path, document = self.folder / "a.tlog-proof", self.folder / "document"
        path.write_text(text, encoding="utf-8")
        if policy is not None:
            (self.folder / "logs.policy").write_text(policy.to_text())
        if file is not None:
            document.write_bytes(file)
        return proof_text.verify(path, self.folder, document if file is not None else None)

    @property
    def policy(self) -> LogPolicy:
        return read_policy((self.folder / "logs.policy").read_text())


async def proved(town: Town, folder: Path) -> Case:
    """Send, take in and seal a document, and make the proof of each side."""
    sent, arrived = await exchanged(town)
    await sealed(town, None)
    proofs = {
        code: await proof_text.make(town.node, await town.scope(code), id)
        for code, id in ((DEPARTMENT, sent.id), (PROVINCE, arrived.id))
    }
    keys, origin = town.node.settings.keys, proofs[DEPARTMENT].signed.checkpoint.origin
    signer = open_log_signer(keys.folder, keys.passwords, origin.rpartition("/")[2])
    folder.mkdir()
    (folder / "logs.policy").write_text(proof_text.policy_of(signer, (), {}, 0).to_text())
    (envelope,) = [packet.raw for packet in await town.crossed(DEPARTMENT, sent.kind)]
    return Case(proofs, envelope, folder)


@dataclass(frozen=True)
class Witnesses:
    """Witnesses whose policy needs two of three."""

    signers: dict[str, NoteSigner]
    policy: LogPolicy

    def cosign(self, name: str, proof: LeafProof, at: str) -> NoteSignature:
        return self.signers[name].sign(proof.signed.checkpoint, datetime.fromisoformat(at))


def witnesses(policy: LogPolicy, names: Sequence[str] = "abc") -> Witnesses:
    private = {name: Ed25519PrivateKey.generate() for name in names}
    signers = {
        name: NoteSigner(NoteKey(name, NoteKind.COSIGNATURE, key.public_key().public_bytes_raw()), key)
        for name, key in private.items()
    }
    keys = {name: signer.key for name, signer in signers.items()}
    policy_of_two = replace(policy, witnesses=keys, groups={"g": (2, tuple(names))}, quorum="g")
    return Witnesses(signers, policy_of_two)


def cosigned(proof: LeafProof, more: Sequence[NoteSignature]) -> str:
    """Return the proof as text, its checkpoint with more signatures."""
    return replace(
        proof, signed=replace(proof.signed, signatures=(*proof.signed.signatures, *more))
    ).to_text()
