"""The table of algorithms: a row that this node shortened is refused by every judge from its end on, and not before."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from gateway.bootstrap import guards
from gateway.domain.algorithms import ALGORITHMS, Algorithms, Judge
from gateway.domain.wall_clock import midnight
from gateway.edxml.policy import XmlPolicy
from gateway.errors import Misconfigured
from gateway.policy import pdf_verdict
from gateway.settings import load
from gateway.trust.evidence import NodeTrust
from gateway.trust.pdf_signatures import child
from gateway.trust.pdf_signatures.child import PdfFolder
from gateway.trust.pdf_signatures.sandbox import PdfSandbox
from tests.hostile import forge
from tests.support import envelopes, pdf_pki, pdfs, pki
from tests.support.cases import Cases

LAST_DAY = date(2031, 12, 31)
END = midnight(LAST_DAY + timedelta(days=1))
LAST = END - timedelta(microseconds=1)
GOOD = {"envelope": None, "chain": None, "pdf": None}


def verdicts(table: Algorithms, at: datetime, folder: Path) -> dict[str, str | None]:
    """Return the code of each judge about an RSA-2048 key below a root on P-256, both with SHA-256."""
    signer = pki.signer(envelopes.SENDER)
    trust = NodeTrust([pki.root().certificate], algorithms=table)
    pdf = pdfs.sign(pdfs.plain(), pdf_pki.root().issue("Sở Lâu", agency=True, kind="rsa-2048"), "A")
    pdf_trust = replace(PdfFolder(pdf_pki.folder(folder)).read(), algorithms=table)
    facts = child.collect(io.BytesIO(pdf), pdf_trust, at, at)
    return {
        "envelope": forge.judge(envelopes.native(), policy=XmlPolicy(table=table), at=at).code,
        "chain": trust.collect(signer.certificate_der, at).chain_code,
        "pdf": pdf_verdict.judge("a.pdf", 1, facts).why,
    }


def test_an_algorithm_ends_for_every_judge_with_its_last_day(tmp_path: Path, cases: Cases) -> None:
    chain, weak = "CERT-CHAIN", "SIG-WEAK"
    rows = {
        "rsa-2048": {"envelope": weak, "chain": chain, "pdf": weak},
        "sha256": {"envelope": weak, "chain": chain, "pdf": weak},
        "ecdsa-p256": {**GOOD, "chain": chain, "pdf": chain},
        "rsa-3072": GOOD,
        "ml-dsa-44": GOOD,
    }
    for name, ended in rows.items():
        table = ALGORITHMS.shortened({name: LAST_DAY})
        with cases.case(name):
            assert verdicts(table, LAST, tmp_path / f"{name}-before") == GOOD
            assert verdicts(table, END, tmp_path / f"{name}-ended") == ended
            assert verdicts(ALGORITHMS, END, tmp_path / f"{name}-open") == GOOD


def test_a_past_document_is_judged_by_the_table_for_its_past(tmp_path: Path) -> None:
    """A verdict that a judge remembers does not count for another time."""
    table, signer = ALGORITHMS.shortened({"rsa-2048": LAST_DAY}), pki.signer(envelopes.SENDER)
    trust = NodeTrust([pki.root().certificate], algorithms=table)
    for at, code in ((LAST, None), (END, "CERT-CHAIN"), (LAST, None)):
        assert trust.collect(signer.certificate_der, at).chain_code == code
    assert trust.remembered(signer.certificate_der, LAST) is not None
    assert trust.remembered(signer.certificate_der, END) is None

    path = tmp_path / "a.pdf"
    path.write_bytes(pdfs.by_agency())
    sandbox = PdfSandbox(pdf_pki.folder(tmp_path / "pdf"), last_days={"ecdsa-p256": LAST_DAY})
    try:
        facts = sandbox.read(path, LAST, END)
    finally:
        sandbox.close()
    (signature,) = pdf_verdict.judge("a.pdf", 1, facts).signers
    assert (signature.why, signature.now_why) == (None, "SIG-WEAK")


def test_the_setting_shortens_rows_and_never_lengthens_one() -> None:
    settings = load(None, {"GATEWAY_TRUST_ALGORITHMS_UNTIL": "rsa-2048=2031-12-31, sha256 = 2040-01-01"})
    table = settings.trust.algorithms
    assert guards.xml_policy(settings).table.days == {"rsa-2048": LAST_DAY, "sha256": date(2040, 1, 1)}
    assert table.shortened({"rsa-2048": date(2050, 1, 1)}).days["rsa-2048"] == LAST_DAY
    assert table.describe(Judge.NOTE) == "ed25519, ml-dsa-44"
    for wrong in ("rsa-1024=2031-12-31", "rsa-2048", "rsa-2048=soon", "sha256=2031-01-01,sha256=2032-01-01"):
        with pytest.raises(Misconfigured, match=r"trust\.algorithms_until: expected name=day"):
            load(None, {"GATEWAY_TRUST_ALGORITHMS_UNTIL": wrong})


def test_each_row_has_a_basis_and_names_that_the_judges_form() -> None:
    assert all(row.basis and row.judges for row in ALGORITHMS.rows)
    assert [ALGORITHMS.name_of_rsa(bits) for bits in (1024, 2047, 2048, 3071, 3072, 8192)] == [
        *("rsa-1024", "rsa-2047", "rsa-2048", "rsa-2048", "rsa-3072", "rsa-4096"),
    ]
