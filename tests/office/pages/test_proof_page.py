"""The page that checks proofs says in a browser without network what the command says, of right files and of wrong ones."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, FilePayload, Page, expect

from gateway.domain.notes import read_policy
from gateway.domain.proof_code import TAG, to_code
from gateway.ops.evidence.page import proof_page
from gateway.words import labels
from tests.office.pages.axe import violations
from tests.support.node import PDF, PROVINCE, opened
from tests.support.proved_document import Case, cosigned, proved, witnesses

ANY = re.compile(".")
WORDS = {True: "ok", False: "failed", None: "unknown"}
AT_TEXT, AT = "1/12/2026", "2026-12-01T00:00:00+00:00"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def case(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Case]:
    folder = tmp_path_factory.mktemp("proof")
    async with opened(folder / "node") as town:
        yield await proved(town, folder / "trust")


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, case: Case, tmp_path: Path) -> AsyncIterator[Page]:
    """Open the page as a file, offline; whatever it asks of a network fails the test."""
    (tmp_path / "check.html").write_text(proof_page(case.policy), encoding="utf-8")
    context = await browser.new_context(offline=True)
    requests: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    opened_page = await context.new_page()
    await opened_page.goto((tmp_path / "check.html").as_uri())
    yield opened_page
    await context.close()
    assert [url for url in requests if not url.startswith("file:")] == []


async def judged_by_page(
    page: Page, text: bytes, file: bytes | None, policy: str | None = None
) -> tuple[str, list[str]]:
    """Choose the files; return the verdict and the lines."""
    verdict = page.locator("#verdict")
    if policy is not None:
        await page.locator("#policy").fill(policy)
    files = [FilePayload(name="a.pdf", mimeType="application/pdf", buffer=file)] if file is not None else []
    await page.locator("#file").set_input_files(files)
    # What was scanned is pasted; without it the chosen file counts.
    is_scanned = text.startswith(TAG.encode())
    proof = FilePayload(name="a.tlog-proof", mimeType="text/plain", buffer=b"x" if is_scanned else text)
    await page.locator("#code").fill(text.decode() if is_scanned else "")
    await page.locator("#code").blur()
    await page.locator("#proof").set_input_files(proof)
    await expect(verdict).to_have_attribute("data-verdict", ANY)
    word = await verdict.get_attribute("data-verdict") or ""
    return word, await page.locator("#steps li").all_inner_texts()


async def test_the_page_says_what_the_command_says(page: Page, case: Case) -> None:
    proof = case.proofs[PROVINCE]
    right, of_three = proof.to_text(), witnesses(case.policy)
    by_name = [of_three.cosign(name, proof, AT) for name in "ab"]
    timeless = of_three.cosign("c", proof, "1970-01-01T00:00:00+00:00")
    log_signature, ml_dsa = proof.signed.signatures
    forged = replace(log_signature, signature=bytes(64))
    by_other = replace(proof, signed=replace(proof.signed, signatures=(forged, ml_dsa))).to_text()
    moved = replace(by_name[0], signature=bytes(8) + by_name[0].signature[8:])
    alone, quorum = case.policy.to_text(), of_three.policy.to_text()
    middle = right.index("\n\n") - 10
    scanned = (
        to_code(replace(proof, signed=replace(proof.signed, signatures=(log_signature, *by_name)))) or ""
    )
    cases = (
        ("right", right, PDF, alone, "valid"),
        ("envelope", right, case.envelope, alone, "valid"),
        ("no file", right, None, alone, "unknown"),
        ("wrong document", right, PDF + b"\n", alone, "invalid"),
        (
            "one flipped byte",
            right[:middle] + chr(ord(right[middle]) ^ 1) + right[middle + 1 :],
            PDF,
            alone,
            "invalid",
        ),
        ("another index", right.replace(f"index {proof.index}", "index 0"), PDF, alone, "invalid"),
        ("wrong signature", by_other, PDF, alone, "invalid"),
        ("wrong cosignature", cosigned(proof, [moved]), PDF, quorum, "invalid"),
        ("no proof", "x", PDF, alone, "invalid"),
        ("unknown log", right, PDF, "quorum none\n", "unknown"),
        ("no cosignature", right, PDF, quorum, "unknown"),
        ("one of three", cosigned(proof, by_name[:1]), PDF, quorum, "unknown"),
        ("one without a time", cosigned(proof, [by_name[0], timeless]), PDF, quorum, "valid"),
        ("two of three", cosigned(proof, by_name), PDF, quorum, "valid"),
        ("scanned", f"{scanned[:300]}\n{scanned[300:].lower()} ", PDF, quorum, "valid"),
        ("scanned, of another document", scanned, PDF + b"\n", quorum, "invalid"),
        ("half of a code", scanned[: len(scanned) // 2], PDF, quorum, "invalid"),
        ("a wrong letter", scanned.replace("7", "1", 1), PDF, quorum, "invalid"),
    )
    for name, text, file, policy, expected in cases:
        report = case.judge(text, file, read_policy(policy))
        verdict, lines = await judged_by_page(page, text.encode(), file, policy)
        assert (report["verdict"], verdict) == (expected, expected), (name, report, lines)
        # The page checks no ML-DSA, so it counts one key of the log less.
        steps = [step for step in report["steps"] if step["step"] not in ("form", "log")]
        expected_lines = [
            labels.say(f"proof.{step['step']}.{WORDS[step['ok']]}", **step["params"]) for step in steps
        ]
        assert any(AT_TEXT in line for line in lines) == bool(report.get("existed_before")), name
        assert {line[2:] for line in lines} >= {line.strip() for line in expected_lines}, name
    assert await violations(page) == []


async def test_no_flipped_byte_is_valid_in_the_page(page: Page, case: Case) -> None:
    text = case.proofs[PROVINCE].to_text().encode()
    code = (to_code(case.proofs[PROVINCE]) or "").encode()
    for place in range(len(TAG), len(code), len(code) // 24):
        letter = b"A" if code[place] != ord("A") else b"B"
        verdict, lines = await judged_by_page(page, code[:place] + letter + code[place + 1 :], PDF)
        assert verdict != "valid", (place, lines)
    end = text.index(b"\n", text.index("\n— ".encode()) + 5)
    for place in range(0, end, end // 24):
        changed = text[:place] + bytes((text[place] ^ 1,)) + text[place + 1 :]
        verdict, lines = await judged_by_page(page, changed, PDF)
        assert verdict != "valid", (place, lines)
