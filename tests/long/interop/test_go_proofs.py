"""Proofs and checkpoints hold for a verifier that was not written here: Go's x/mod/sumdb."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import pytest

from gateway.domain import sealed_log
from gateway.domain.notes import NoteKind
from gateway.ops.evidence import proof_text
from gateway.store import log_reading
from gateway.trust.note_keys import open_log_signer
from tests.acceptance.test_witnesses import Nodes, seal
from tests.acceptance.test_witnesses import nodes as nodes
from tests.support.evidence import exchanged, sealed
from tests.support.node import DEPARTMENT, PROVINCE, Town

SOURCES = Path("/usr/share/gocode")
pytestmark = pytest.mark.skipif(
    not (SOURCES / "src/golang.org/x/mod/sumdb").is_dir(), reason="Go's x/mod is not installed"
)


def built(folder: Path) -> Path:
    program = folder / "check"
    environment = os.environ | {
        "GO111MODULE": "off",
        "GOPATH": str(SOURCES),
        "GOCACHE": str(folder / "cache"),
    }
    source = Path(__file__).parent / "go_proofs" / "main.go"
    subprocess.run(["go", "build", "-o", str(program), str(source)], env=environment, check=True)
    return program


async def test_go_accepts_our_proofs_and_the_growth_of_our_log_and_no_changed_one(
    town: Town, tmp_path: Path
) -> None:
    program, file = built(tmp_path), tmp_path / "a.tlog-proof"
    _, arrived = await exchanged(town)
    await sealed(town, None)
    old = (await log_reading.seal_numbered(town.node.store)).signed.seal
    await exchanged(town, "16")
    await sealed(town, None)
    proof = await proof_text.make(town.node, await town.scope(PROVINCE), arrived.id)
    growth = await log_reading.Prover(town.node.store).hashes(
        sealed_log.consistency_spans(old.tree_size, proof.signed.checkpoint.size)
    )
    signer = open_log_signer(town.node.settings.keys.folder, town.node.settings.keys.passwords, old.log_id)
    words = [str(signer.keys[0]), str(old.tree_size)]
    words += [base64.b64encode(hash).decode() for hash in (old.root, *growth)]

    def check(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        file.write_text(text, encoding="utf-8")
        command = [str(program), str(file), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    text = proof.to_text()
    accepted = check(text, *words)
    assert (accepted.returncode, accepted.stdout.encode().rstrip()) == (0, proof.leaf), accepted.stdout
    assert growth
    assert check(text, *words[:1]).returncode == 0
    assert check(text, *words[:-1]).returncode == 1
    assert check(text.replace(f"index {proof.index}", f"index {proof.index + 1}")).returncode
    size = proof.signed.checkpoint.size
    changed = check(text.replace(f"\n{size}\n", f"\n{size + 1}\n"), *words[:1])
    assert (changed.returncode, "signature" in changed.stdout) == (1, True), changed.stdout


async def test_go_accepts_the_cosignatures_of_our_witnesses_and_no_changed_one(
    nodes: Nodes, tmp_path: Path
) -> None:
    program, file, north = built(tmp_path), tmp_path / "a.tlog-proof", nodes.north
    sent = await north.send("15")
    await north.pack()
    await north.number()
    await seal(north)
    await nodes.ask()
    proof = await proof_text.make(north.node, await north.scope(DEPARTMENT), sent.id)
    policy = await proof_text.own_policy(north.node)
    key = str(next(key for key in policy.logs if key.kind is NoteKind.ED25519))
    cosigners = [str(witness) for witness in policy.witnesses.values()]

    def check(text: str, *words: str) -> int:
        file.write_text(text, encoding="utf-8")
        environment = os.environ | {"COSIGNERS": " ".join(words)}
        return subprocess.run([str(program), str(file), key], env=environment, check=False).returncode

    text = proof.to_text()
    assert len(cosigners) == 2
    assert check(text, *cosigners) == 0
    line = next(line for line in text.split("\n") if line.startswith(f"— {cosigners[0].partition('+')[0]} "))
    assert check(text.replace(f"{line}\n", ""), *cosigners) == 1
    place = len(line) - 10
    other = "A" if line[place] != "A" else "B"
    assert check(text.replace(line, f"{line[:place]}{other}{line[place + 1 :]}"), *cosigners) == 1
