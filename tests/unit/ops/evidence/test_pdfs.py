"""A pack carries the answers of authorities that a verdict on a PDF rests on, and a court judges the PDF by them, offline,
years later."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.domain.signatures import LegalValue
from gateway.ops.evidence import contents
from gateway.workers.clocks import SignaturesClock
from gateway_labs.demo import stage
from tests.support import pdf_pki, pdfs
from tests.support.clock import ManualClock
from tests.support.evidence import YEARS_LATER, TimeAuthority, check, exchanged, pack_of, sealed, unpacked
from tests.support.live_authority import live
from tests.support.node import DEPARTMENT, PROVINCE, opened
from tests.support.seals import register, seal_of


async def test_a_pdf_is_judged_offline_by_the_answers_that_its_verdict_rested_on(tmp_path: Path) -> None:
    root, clock, time = tmp_path / "node", ManualClock(), TimeAuthority()
    async with opened(root):
        pass  # the stage is copied
    trust = stage.settings_for(root).trust.folder
    pdf_pki.folder(trust / "pdf", lists=())
    (trust / "tsa").mkdir()
    (trust / "tsa" / "ca.pem").write_bytes(time.root.public_bytes(Encoding.PEM))
    with live(clock.now) as authority:
        authority.permit(trust / "pdf")
        agency = authority.issue("Sở Mẫu")
        pdf = await asyncio.to_thread(pdfs.sign, pdfs.plain(), agency, "CoQuan", reason="SAO Y")
        async with opened(root, clock) as town:
            await register(town.node.deciding, seal_of(DEPARTMENT, agency))
            sent, arrived = await exchanged(town, files=(("15.pdf", pdf),))
            await SignaturesClock().step(town.node.inn)
            assert (await town.reload(arrived)).legal_value is LegalValue.COPY
            await sealed(town, time)
            received = await pack_of(town, PROVINCE, arrived.id)
            by_sender = await pack_of(town, DEPARTMENT, sent.id)

    story = contents.read_story(unpacked(received, tmp_path / "a")["story.json"])
    (file,) = story.files
    assert (file.verdict, file.conclusion) == ("valid", "TOTAL-PASSED")
    (digest,) = file.answers
    assert f"revocation/{digest}.ocsp" in unpacked(received, tmp_path / "a")

    court = shutil.copytree(trust, tmp_path / "court")
    for at in (clock.now() + timedelta(days=2), YEARS_LATER):
        (line,) = check(received, tmp_path, court, at=at).pdf_lines
        assert (line.ok, line.note, line.params["conclusion"], line.trusted) == (
            True,
            "pdf_valid",
            "TOTAL-PASSED",
            True,
        )

    (line,) = check(by_sender, tmp_path, court, at=YEARS_LATER).pdf_lines
    assert (line.ok, line.note, line.params["conclusion"]) == (
        True,
        "pdf_valid",
        "TOTAL-PASSED",
    ), "the sender asked too, and keeps the answer"
