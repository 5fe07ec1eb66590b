"""A proof of one document is valid with its own file, its own log and enough witnesses, and with nothing else."""

from __future__ import annotations

import base64
import hashlib
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.proof_code import TAG, read_code, to_code
from gateway.errors import Clash, Misconfigured, NotFound
from gateway.ops.evidence import proof_text
from gateway.trust import qr
from gateway.trust.note_keys import open_log_signer
from tests.support.evidence import exchanged, sealed
from tests.support.node import DEPARTMENT, PDF, PROVINCE, Town
from tests.support.proved_document import Case, cosigned, proved, witnesses


@pytest.fixture
async def case(town: Town, tmp_path: Path) -> Case:
    return await proved(town, tmp_path / "trust")


def outcomes(report: dict[str, Any]) -> dict[str, bool | None]:
    return {step["step"]: step["ok"] for step in report["steps"]}


async def test_both_sides_prove_the_file_and_its_envelope(case: Case) -> None:
    kinds = {}
    for code, proof in case.proofs.items():
        for file in (PDF, case.envelope):
            report = case.judge(proof.to_text(), file)
            assert report["verdict"] == "valid", report
            assert hashlib.sha256(file).hexdigest() in report["files"]
        kinds[code] = report["line"]["kind"]
        assert len(proof.to_text()) < 6000
    assert kinds == {DEPARTMENT: "message.queued", PROVINCE: "inbox.received"}


async def test_another_file_or_another_log_is_not_proved(case: Case, tmp_path: Path) -> None:
    text = case.proofs[DEPARTMENT].to_text()

    assert outcomes(case.judge(text, PDF + b"\n"))["file"] is False
    assert case.judge(text, None)["verdict"] == "unknown"
    other = proof_text.policy_of(open_log_signer(tmp_path, None, "ff"), (), {}, 0)
    report = case.judge(text, PDF, other)
    assert (report["verdict"], outcomes(report)["log"]) == ("unknown", None)
    # A certificate whose digest is in the line is no file of the document.
    assert len(report["files"]) == 2


async def test_no_changed_byte_leaves_a_proof_valid(case: Case) -> None:
    text = case.proofs[PROVINCE].to_text().encode()
    # The second signature is ignored where its key is unknown or its name is another.
    policy = replace(case.policy, logs=case.policy.logs[:1])
    end = text.index("\n— ".encode()) + len("\n— ".encode())
    end = text.index(b"\n", end)
    chosen = random.Random(7).sample(range(end), 48)
    for place in chosen:
        changed = text[:place] + bytes((text[place] ^ 1,)) + text[place + 1 :]
        (case.folder / "logs.policy").write_text(policy.to_text())
        (case.folder / "b.tlog-proof").write_bytes(changed)
        (case.folder / "held").write_bytes(PDF)
        report = proof_text.verify(case.folder / "b.tlog-proof", case.folder, case.folder / "held")
        assert report["verdict"] != "valid", place


async def test_a_quorum_says_since_when_the_document_existed(case: Case) -> None:
    """Two of three must have of_three it: the second of their times counts."""
    proof, of_three = case.proofs[PROVINCE], witnesses(case.policy)
    when = {"a": "2027-01-01T00:00:00+00:00", "b": "2026-12-01T00:00:00+00:00"}
    by_name = {name: of_three.cosign(name, proof, at) for name, at in when.items()}

    assert case.judge(proof.to_text(), PDF, of_three.policy)["verdict"] == "unknown"
    assert case.judge(cosigned(proof, [by_name["b"]]))["existed_before"] is None
    report = case.judge(cosigned(proof, [*by_name.values()]))
    assert (report["verdict"], report["existed_before"]) == ("valid", when["a"])
    timeless = of_three.cosign("c", proof, "1970-01-01T00:00:00+00:00")
    report = case.judge(cosigned(proof, [by_name["b"], timeless]))
    assert (report["verdict"], report["existed_before"]) == ("valid", None)
    moved = replace(by_name["a"], signature=bytes(8) + by_name["a"].signature[8:])
    assert case.judge(cosigned(proof, [moved]))["verdict"] == "invalid"


async def test_the_text_of_a_code_proves_what_the_file_does(case: Case) -> None:
    proof, of_four = case.proofs[DEPARTMENT], witnesses(case.policy, "abcd")
    by_all = [of_four.cosign(name, proof, "2026-12-01T00:00:00+00:00") for name in "abcd"]
    signed = replace(proof.signed, signatures=(*proof.signed.signatures, *by_all))
    text = to_code(replace(proof, signed=signed))
    assert text is not None
    ragged = f"  {text[:700].lower()}\r\n{text[700:]} \n"

    for form in (text, ragged):
        report = case.judge(form, PDF, of_four.policy)
        assert (report["verdict"], [by["name"] for by in report["seen_by"]]) == ("valid", ["a", "b", "c"])
        assert proof_text.is_proof(case.folder / "a.tlog-proof")
        assert outcomes(case.judge(form, PDF + b"\n"))["file"] is False
    plain = to_code(proof) or ""
    for place in random.Random(7).sample(range(len(plain)), 64):
        wrong = plain[:place] + ("A" if plain[place] != "A" else "B") + plain[place + 1 :]
        (case.folder / "b.tlog-proof").write_text(wrong)
        assert (
            not proof_text.is_proof(case.folder / "b.tlog-proof") or case.judge(wrong)["verdict"] != "valid"
        )
    for wrong in (plain[:-40], plain + "AAAAAAAA", TAG, TAG + "1", plain + "A" * 4000):
        assert case.judge(wrong)["verdict"] == "invalid", wrong[-20:]


def test_a_code_holds_a_log_of_a_milliard_lines_and_three_witnesses_and_nothing_larger(case: Case) -> None:
    proof = case.proofs[DEPARTMENT]
    names = [f"{place}.gov.vn/chung-kien" for place in "abc"]
    by_all = [witnesses(case.policy, [n]).cosign(n, proof, "2026-12-01T00:00:00+00:00") for n in names]
    signed = replace(proof.signed, signatures=(*proof.signed.signatures, *by_all))
    large = replace(proof, signed=signed, path=(random.Random(7).randbytes(32),) * 30)

    text = to_code(large) or ""
    assert read_code(text).path == large.path
    assert len(qr.draw(text, on_paper=True) or ()) <= 177
    assert to_code(replace(large, leaf=large.leaf + random.Random(7).randbytes(900))) is None
    other = replace(signed, checkpoint=replace(signed.checkpoint, origin="example.invalid/log"))
    assert to_code(replace(proof, signed=other)) is None


async def test_a_document_without_a_sealed_line_has_no_proof_yet(town: Town) -> None:
    sent, _ = await exchanged(town)
    with pytest.raises(Clash, match="no sealed line"):
        await proof_text.make(town.node, await town.scope(DEPARTMENT), sent.id)
    await sealed(town, None)
    second, _ = await exchanged(town, "16")
    with pytest.raises(Clash, match="no sealed line"):
        await proof_text.make(town.node, await town.scope(DEPARTMENT), second.id)
    with pytest.raises(NotFound):
        await proof_text.make(town.node, await town.scope(PROVINCE), sent.id)


def test_a_folder_without_a_policy_says_where_to_get_one(tmp_path: Path) -> None:
    (tmp_path / "a.tlog-proof").write_text("c2sp.org/tlog-proof@v1\n")
    assert proof_text.is_proof(tmp_path / "a.tlog-proof")

    with pytest.raises(Misconfigured, match=r"logs\.policy"):
        proof_text.verify(tmp_path / "a.tlog-proof", tmp_path, None)
    (tmp_path / "logs.policy").write_text("quorum none\n")
    deep = base64.b64encode(b'{"data":' + b"[" * 100_000).decode()
    (tmp_path / "a.tlog-proof").write_text(
        f"c2sp.org/tlog-proof@v1\nextra {deep}\nindex 0\n\nx\n1\n{'A' * 43}=\n\n— x AAAAAAAA\n"
    )
    assert proof_text.verify(tmp_path / "a.tlog-proof", tmp_path, None)["verdict"] == "invalid"
