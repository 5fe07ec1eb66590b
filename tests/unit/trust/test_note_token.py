"""The key of checkpoints on a token (SoftHSM): made there at first use, never replaced by a file, refused in words where
the token cannot sign with Ed25519."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pkcs11
import pytest

from gateway.bootstrap.core import check_note_token, note_token
from gateway.domain.identity import Secret
from gateway.domain.notes import Checkpoint, NoteKind
from gateway.errors import Misconfigured, SignerDown
from gateway.ops.evidence import proof_text
from gateway.settings import Settings
from gateway.store import log_reading
from gateway.trust.note_keys import check_signature, kinds_in, open_log_signer
from gateway.trust.pkcs11_keys import Pkcs11Token
from tests.services.softhsm import CONF, Hsm, Token
from tests.support import hsm as hsms
from tests.support.node import Town, opened

NOW, LOG_ID = datetime(2031, 3, 4, 2, 15, tzinfo=UTC), "ab" * 16
CHECKPOINT = Checkpoint(f"lienthong/log/{LOG_ID}", 7, bytes(32))
START = "import asyncio, sys; from tests.unit.trust.test_note_token import start; asyncio.run(start(*sys.argv[1:]))"


@pytest.fixture
def hsm() -> Hsm:
    return hsms.of_this_process()


@pytest.fixture
def token(hsm: Hsm) -> Token:
    return hsm.token()


def opened_token(token: Token) -> Pkcs11Token:
    return Pkcs11Token(hsms.of_this_process().module, token.label, token.pin)


def on_token(settings: Settings, token: Token, module: Path) -> Settings:
    keys = replace(settings.keys, pkcs11_module=module, token=token.label, pin=Secret(token.pin))
    return replace(settings, keys=keys, log=replace(settings.log, note_key="token"))


def files_of_log(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "_log").iterdir())


def labels_on(token: Token) -> list[str]:
    objects = opened_token(token).run(lambda session: [*session.get_objects()])
    return [label for label in (entry[pkcs11.Attribute.LABEL] for entry in objects) if "log-note" in label]


def test_the_key_is_made_on_the_token_and_signs_there(token: Token, tmp_path: Path) -> None:
    signer = open_log_signer(tmp_path, None, LOG_ID, opened_token(token))
    signed = signer.sign(CHECKPOINT, NOW)
    for key, signature in zip(signer.keys, signed.signatures, strict=True):
        check_signature(key, CHECKPOINT, signature)
    assert [key.kind for key in signer.keys] == [NoteKind.ED25519, NoteKind.ML_DSA_44]
    assert files_of_log(tmp_path) == ["note-ml-dsa.key.pem", "note-token.pub.pem"]
    assert kinds_in(tmp_path) == (NoteKind.ED25519, NoteKind.ML_DSA_44)
    assert open_log_signer(tmp_path, None, LOG_ID, opened_token(token)).keys == signer.keys
    name, kind = labels_on(token)[0], pkcs11.ObjectClass.PRIVATE_KEY
    private = opened_token(token).run(lambda session: session.get_key(object_class=kind, label=name))
    assert (private[pkcs11.Attribute.EXTRACTABLE], private[pkcs11.Attribute.SENSITIVE]) == (False, True)


def test_two_programs_that_start_together_have_one_key(token: Token, tmp_path: Path) -> None:
    shared = opened_token(token)
    with ThreadPoolExecutor(4) as pool:
        signers = [*pool.map(lambda _: open_log_signer(tmp_path, None, LOG_ID, shared), range(4))]
    assert len({signer.keys for signer in signers}) == 1
    assert len(labels_on(token)) == 2
    signers[-1].sign(CHECKPOINT, NOW)


def test_a_token_without_the_key_is_not_replaced_by_a_file(hsm: Hsm, token: Token, tmp_path: Path) -> None:
    open_log_signer(tmp_path / "file", None, LOG_ID)
    open_log_signer(tmp_path, None, LOG_ID, opened_token(token))
    (tmp_path / "file" / "_log" / "note.key.pem").rename(tmp_path / "_log" / "note.key.pem")
    other = open_log_signer(tmp_path, None, LOG_ID, opened_token(hsm.token()))
    with pytest.raises(Misconfigured, match="no such key as signs checkpoints"):
        other.sign(CHECKPOINT, NOW)
    wrong_pin = Pkcs11Token(hsm.module, token.label, "0000")
    with pytest.raises(SignerDown, match="refused the PIN"):
        open_log_signer(tmp_path, None, LOG_ID, wrong_pin).sign(CHECKPOINT, NOW)


def test_a_signature_that_does_not_hold_is_not_given_out(
    token: Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = open_log_signer(tmp_path, None, LOG_ID, opened_token(token))
    monkeypatch.setattr(Pkcs11Token, "run", lambda self, work: bytes(64))
    with pytest.raises(SignerDown, match="wrong signature"):
        signer.sign(CHECKPOINT, NOW)


def test_a_setting_without_a_token_is_refused() -> None:
    settings = Settings()
    with pytest.raises(Misconfigured, match=r"log\.note_key is token"):
        note_token(replace(settings, log=replace(settings.log, note_key="token")))


@pytest.fixture
async def town(hsm: Hsm, token: Token, tmp_path: Path) -> AsyncIterator[Town]:
    def change(settings: Settings) -> Settings:
        return on_token(settings, token, hsm.module)

    async with opened(tmp_path, change=change) as town:
        yield town


async def test_a_proof_is_signed_on_the_token(town: Town, token: Token) -> None:
    await town.send("15")
    await town.number()
    while await town.node.sealer.step():
        pass
    policy = await proof_text.own_policy(town.node)
    seal = await log_reading.seal_numbered(town.node.store)
    assert f"lienthong/log/{seal.signed.seal.log_id}" in policy.to_text()
    assert len(labels_on(token)) == 2


async def start(module: str, label: str, pin: str) -> None:
    """Do what a node does at its start, in a process whose library reads its own settings."""
    from gateway.pool import ThreadPool

    settings = on_token(Settings(), Token(label=label, pin=pin, so_pin=""), Path(module))
    try:
        await check_note_token(settings, ThreadPool(1))
    except Misconfigured as error:
        sys.stdout.write(json.dumps({"detail": error.detail, "hint": error.hint}))


def test_a_token_that_cannot_is_refused_in_words_at_start(hsm: Hsm, token: Token, tmp_path: Path) -> None:
    conf = tmp_path / "softhsm2.conf"
    command = [sys.executable, "-c", START, str(hsm.module), token.label, token.pin]
    environ = os.environ | {CONF: str(conf), "PYTHONPATH": os.pathsep.join(sys.path)}
    outputs = {}
    for mechanisms in ("ALL", "CKM_ECDSA,CKM_EC_KEY_PAIR_GEN"):
        conf.write_text(f"{hsm.conf.read_text()}slots.mechanisms = {mechanisms}\n")
        run = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        outputs[mechanisms] = run.stdout
    fine, refused = outputs.values()
    assert fine == ""
    words = json.loads(refused)
    lacking = "EC_EDWARDS_KEY_PAIR_GEN, EDDSA"
    assert words["detail"] == f"the token cannot sign checkpoints with Ed25519: it lacks {lacking}"
    assert "log.note_key = file" in words["hint"]
