"""Proof of one document as one small text (C2SP tlog-proof). In: on a node an agency's scope and an id; anywhere a proof, a
policy of trusted logs and witnesses, perhaps the document's file. Out: the text; or what it shows, as plain data: whether
the line of the log is under the checkpoint, whose checkpoint it is, who saw it and when, and whether the file is the one
of that line. A proof tells codes and ids of the document, and nothing of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from gateway.bootstrap.core import log_signer_opener
from gateway.bootstrap.node import OpenNode
from gateway.domain.account import AgencyScope
from gateway.domain.event import NAMING_KINDS
from gateway.domain.notes import (
    MOST_POLICY,
    MOST_PROOF,
    PROOF_TAG,
    LeafProof,
    LogPolicy,
    NoteKey,
    NoteKind,
    checkpoint_of,
    read_policy,
    read_proof,
)
from gateway.domain.proof_code import UNSEALED, DrawnProof, is_code, read_code, to_code
from gateway.domain.sealed_log import PublishedSeal, read_leaf
from gateway.domain.witness import needed
from gateway.errors import Clash, GatewayError, InvalidProof, Misconfigured, NotFound
from gateway.ops import witness_view
from gateway.store import log_reading, witnesses
from gateway.store.log_reading import StoredLeaf
from gateway.trust.note_keys import LogSigner, check_signature

POLICY_FILE, _ENOUGH = "logs.policy", "enough"
_LINE_FIELDS = ("id", "kind", "at", "subject", "seq")


async def make(node: OpenNode, scope: AgencyScope, id: str) -> LeafProof:
    """Make the proof of a document under the newest seal. NotFound for no document, Clash while its line is under none."""
    async with node.store.read(scope) as work:
        await (work.incoming if id.startswith("inb_") else work.outgoing).get(id)
    seal = await log_reading.seal_newest(node.store)
    leaves = await log_reading.leaves_of(node.store, scope.agency_id, id)
    leaf = next((leaf for leaf in leaves if _named_files(read_leaf(leaf.body))), None)
    if seal is None or leaf is None or leaf.index >= seal.signed.seal.tree_size:
        raise Clash(
            f"the log has no sealed line about the files of {id} yet",
            code="GW-NOT-SEALED",
            hint="a document is sealed within a minute after it is packed or taken in; then make the proof again",
        )
    return await _prove(node, leaf, seal)


async def draw(node: OpenNode, scope: AgencyScope, id: str) -> DrawnProof:
    """Draw the proof of a document for paper. NotFound for no document."""
    from gateway.trust import qr

    try:
        text = to_code(await make(node, scope, id))
    except Clash:
        return UNSEALED
    drawn = qr.path(text, on_paper=True) if text is not None else None
    return DrawnProof(side=drawn[0], path=drawn[1]) if drawn is not None else DrawnProof(absent="long")


async def own_policy(node: OpenNode) -> LogPolicy:
    """Return the policy that trusts this node's log, with the keys of today and earlier ones, and its witnesses. NotFound
    before its first seal."""
    signer = await _signer(node, await log_reading.seal_numbered(node.store))
    keys = await witness_view.witness_keys(node.store, node.settings)
    former_keys = await witnesses.former_keys(node.store)
    return policy_of(signer, former_keys, keys, node.settings.log.witnesses_needed)


async def _signer(node: OpenNode, seal: PublishedSeal) -> LogSigner:
    return await node.pool.run(partial(log_signer_opener(node.settings), seal.signed.seal.log_id))


async def _prove(node: OpenNode, leaf: StoredLeaf, seal: PublishedSeal) -> LeafProof:
    """Prove the leaf under the first checkpoint that enough witnesses cosigned, else under the newest seal."""
    cosigned = await witness_view.cosigned_checkpoint(node.store, node.settings, leaf.index)
    checkpoint = cosigned.checkpoint if cosigned is not None else checkpoint_of(seal)
    (path,) = await log_reading.Prover(node.store).inclusions([leaf.index], checkpoint.size)
    signer = await _signer(node, seal)
    signed = await node.pool.run(partial(signer.sign, checkpoint, node.clock.now()))
    if cosigned is not None:
        signed = replace(signed, signatures=(*signed.signatures, *cosigned.signatures))
    return LeafProof(leaf=leaf.body, index=leaf.index, path=path, signed=signed)


def policy_of(
    signer: LogSigner,
    former_keys: Sequence[NoteKey],
    witness_keys: Mapping[str, Sequence[NoteKey]],
    quorum: int,
) -> LogPolicy:
    """Return the policy that trusts this node's log, with its keys of today and earlier ones, and the keys of its witnesses
    that each reader knows. It asks for `quorum` of them, or more than half where that is 0."""
    names = {key.name for key in signer.keys}
    logs = tuple(dict.fromkeys((*signer.keys, *(key for key in former_keys if key.name in names))))
    keys = {
        name: key for name, own in witness_keys.items() for key in own if key.kind is NoteKind.COSIGNATURE
    }
    if not keys:
        return LogPolicy(logs=logs)
    groups = {_ENOUGH: (needed(quorum, len(keys)), tuple(keys))}
    return LogPolicy(logs=logs, witnesses=keys, groups=groups, quorum=_ENOUGH)


def is_proof(path: Path) -> bool:
    """Tell whether the file begins as a proof, or as the text of its code; False also when it cannot be read."""
    try:
        with path.open("rb") as file:
            line = file.readline(len(PROOF_TAG) + 2)
        return line.rstrip(b"\n") == PROOF_TAG.encode() or is_code(line.decode("ascii", "replace"))
    except OSError:
        return False


def verify(path: Path, trust: Path, file: Path | None) -> dict[str, Any]:
    """Judge a proof with the policy in the trust folder, and perhaps a file that it should be about. Return plain data; bad
    contents of the proof are a verdict. Misconfigured without a policy that can be read."""
    policy = _read_policy(trust / POLICY_FILE)
    digest = _file_digest(file) if file is not None else None
    try:
        text = _text(path, MOST_PROOF)
        proof = read_code(text) if is_code(text) else read_proof(text)
        cosigners = _cosigners(proof, policy)
        return _report(proof, [*_steps(proof, policy, cosigners, digest)], policy, cosigners)
    except (InvalidProof, ValueError, ArithmeticError, RecursionError) as cause:
        detail = cause.detail if isinstance(cause, GatewayError) else "the line of the log cannot be read"
        return {"verdict": "invalid", "steps": [_Step("form", False, {"detail": detail}).to_json()]}


@dataclass(frozen=True, slots=True)
class _Step:
    """One check: True passed, False failed, None undecided."""

    step: str
    ok: bool | None
    params: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        return {"step": self.step, "ok": self.ok, "params": dict(self.params)}


def _steps(
    proof: LeafProof, policy: LogPolicy, cosigners: Mapping[str, int], digest: str | None
) -> Iterator[_Step]:
    checkpoint = proof.signed.checkpoint
    place = {"index": str(proof.index), "size": str(checkpoint.size)}
    yield _Step("path", proof.is_included(), place)
    own = [key for key in policy.logs if key.name == checkpoint.origin]
    signing = [key for key in own if _signing_time(proof, key) is not None]
    # Wrong signatures of trusted keys have raised an error; unknown ones say nothing.
    yield _Step("log", True if signing else None, {"origin": checkpoint.origin, "keys": str(len(signing))})
    counts = {"seen": str(len(cosigners)), "of": str(len(policy.witnesses)), "names": ", ".join(cosigners)}
    yield _Step("witnesses", True if policy.is_met(cosigners) else None, counts)
    digests = _named_files(read_leaf(proof.leaf))
    fits = None if digest is None else digest in digests
    yield _Step("file", fits, {"sha256": digest or "", "count": str(len(digests))})


def _cosigners(proof: LeafProof, policy: LogPolicy) -> dict[str, int]:
    """Return which witnesses cosigned the checkpoint, by name, and when. InvalidProof for a wrong cosignature of one."""
    times = {name: _signing_time(proof, key) for name, key in policy.witnesses.items()}
    return {name: time for name, time in times.items() if time is not None}


def _signing_time(proof: LeafProof, key: NoteKey) -> int | None:
    """Return when the key signed the checkpoint, 0 where it does not say; None where no signature is of it. InvalidProof
    for a wrong one."""
    fitting = [signature for signature in proof.signed.signatures if signature.fits(key)]
    for signature in fitting:
        check_signature(key, proof.signed.checkpoint, signature)
    return min((signature.time(key) for signature in fitting), default=None)


def _existed_before(cosigners: Mapping[str, int], policy: LogPolicy) -> datetime | None:
    """Return the time at which enough witnesses had cosigned the checkpoint; None where too few say when, or none has."""
    by_time = sorted(filter(cosigners.get, cosigners), key=lambda name: cosigners[name])
    for count in range(1, len(by_time) + 1):
        if policy.is_met(by_time[:count]):
            return datetime.fromtimestamp(cosigners[by_time[count - 1]], UTC)
    return None


def _report(
    proof: LeafProof, steps: list[_Step], policy: LogPolicy, cosigners: Mapping[str, int]
) -> dict[str, Any]:
    leaf = read_leaf(proof.leaf)
    existed_at = _existed_before(cosigners, policy)
    outcomes = {step.ok for step in steps}
    verdict = "invalid" if False in outcomes else "unknown" if None in outcomes else "valid"
    data = leaf["data"]
    return {
        "verdict": verdict,
        "origin": proof.signed.checkpoint.origin,
        "line": {name: leaf.get(name) for name in _LINE_FIELDS} | {"document_id": data.get("document_id")},
        "existed_before": existed_at.isoformat() if existed_at is not None else None,
        "seen_by": [
            {"name": name, "at": datetime.fromtimestamp(time, UTC).isoformat()}
            for name, time in cosigners.items()
        ],
        "files": sorted(_named_files(leaf)),
        "steps": [step.to_json() for step in steps],
    }


def _named_files(leaf: Mapping[str, Any]) -> set[str]:
    """Return the SHA-256 of the envelope and the files that a line of the log is about."""
    if leaf.get("kind") not in NAMING_KINDS:
        return set()
    data, proof = leaf["data"], leaf["data"].get("proof")
    envelopes = (data.get("envelope"), proof.get("envelope") if isinstance(proof, dict) else None)
    files = data.get("files")
    digests = (*envelopes, *(files if isinstance(files, list) else ()))
    return {digest for digest in digests if isinstance(digest, str)}


def _read_policy(path: Path) -> LogPolicy:
    hint = "get it from the node whose documents you check: gateway audit publish --policy FILE"
    try:
        return read_policy(_text(path, MOST_POLICY))
    except NotFound as cause:
        raise Misconfigured(f"there is no {path}, which says whose logs you trust", hint=hint) from cause
    except InvalidProof as cause:
        raise Misconfigured(f"{path} cannot be used: {cause.detail}", hint=hint) from cause


def _text(path: Path, most: int) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(4 * most + 1)
        return content.decode("utf-8")
    except OSError as cause:
        raise NotFound(f"the file {path} cannot be read: {cause.strerror}") from cause
    except UnicodeDecodeError as cause:
        raise InvalidProof("the file is no text in UTF-8") from cause


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as cause:
        raise NotFound(f"the file {path} cannot be read: {cause.strerror}") from cause
