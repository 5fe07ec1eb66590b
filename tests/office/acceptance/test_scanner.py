"""The page of a document says which of its files the scanner of malware found clean."""

from __future__ import annotations

from pathlib import Path

from gateway.domain.document import OutgoingDocument
from gateway.outgoing.intake import Order
from gateway.words import labels
from gateway_office.web.pages.compose import editor
from tests.acceptance.test_scanner import GOOD, scanned_by
from tests.acceptance.test_scanner import town as town
from tests.services.clamav import Clamd
from tests.support.node import PDF, PROVINCE, Town, document, draft, opened
from tests.support.scanner import clamd as clamd
from tests.support.scanner import daemon as daemon


def words_of(sent: OutgoingDocument | None) -> list[tuple[bool, str]]:
    """List the stored scan of each file with the words that the page of the document has for it."""
    assert sent is not None
    states = [labels.say(f"compose.file.{row['checked']}", "en") for row in editor.file_rows(sent)]
    return [(file.scanned_clean, words) for file, words in zip(sent.files, states, strict=True)]


CLEAN = (True, "Type and malware checked")


NOT_SCANNED = (False, "Type checked; not scanned for malware")


async def test_a_file_that_the_scanner_found_clean_is_kept_and_said_as_scanned(town: Town) -> None:
    sent = await town.send("15", files=(*GOOD, ("kem.txt", b"so lieu")), send=False)

    assert words_of(sent) == [CLEAN, CLEAN]


async def test_where_no_scanner_is_set_up_a_file_is_said_as_not_scanned(tmp_path: Path) -> None:
    async with opened(tmp_path / "node") as town:
        accepted = await town.order(Order(draft=draft("15", PROVINCE)))

        assert words_of(accepted.document) == [NOT_SCANNED]
        assert "unscanned" not in {warning.code.value for warning in accepted.warnings}


async def test_what_the_scanner_could_not_look_at_is_said_as_not_scanned_beside_what_it_could(
    clamd: Clamd, tmp_path: Path
) -> None:
    large = PDF + b"\n" * (clamd.most_bytes + 1_000_000)
    async with opened(tmp_path / "node", change=scanned_by(clamd, required="no")) as town:
        accepted = await town.order(Order(draft=draft("15", PROVINCE)), files=(*GOOD, ("phu-luc.pdf", large)))

        assert words_of(accepted.document) == [CLEAN, NOT_SCANNED]
        (warning,) = [x for x in accepted.warnings if x.code.value == "unscanned"]
        assert warning.params == {"name": "phu-luc.pdf", "unscanned": "too-large"}


async def test_threat_065_where_policy_says_so_what_was_not_scanned_passes_with_a_warning(
    clamd: Clamd, tmp_path: Path
) -> None:
    async with opened(tmp_path / "node", change=scanned_by(clamd, required="no")) as town:
        clamd.stop()

        accepted = await town.order(Order(draft=draft("15", PROVINCE)))
        row = await town.brought(town.forge(document(), GOOD))

        assert "unscanned" in {warning.code.value for warning in accepted.warnings}
        assert words_of(accepted.document) == [NOT_SCANNED]
        assert row.state == "done"
        arrived = next(d for d in await town.incoming() if d.inbox_id == row.id)
        assert "unscanned" in arrived.checks["warnings"]
