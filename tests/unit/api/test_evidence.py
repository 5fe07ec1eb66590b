"""Evidence packs for programs: streamed, for the agency's own documents, with their own scope."""

from __future__ import annotations

from pathlib import Path

from gateway.domain.account import ApiScope
from tests.support.api import DEPARTMENT, PROVINCE, Door
from tests.support.evidence import check, unpacked


async def both_ids(door: Door) -> dict[str, str]:
    """A document that was sent and came in: where each side has it."""
    sent = (await door.send()).json["id"]
    await door.carry()
    arrived = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"][0]["id"]
    return {f"/messages/{sent}": DEPARTMENT, f"/inbox/{arrived}": PROVINCE}


async def test_a_pack_of_what_was_sent_and_of_what_came_in_is_streamed_with_its_size(
    door: Door, tmp_path: Path
) -> None:
    for path, agency in (await both_ids(door)).items():
        answer = await door.ask("GET", f"{path}/evidence", agency=agency)

        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/zip"), str(answer)
        assert answer.headers["Content-Length"] == str(len(answer.raw))
        assert "attachment" in answer.headers["Content-Disposition"]
        members = unpacked(answer.raw, tmp_path / agency)
        assert any(name.startswith("packets/") for name in members)
        assert [line for line in check(answer.raw, tmp_path / agency, None).lines if line.ok is False] == []


async def test_a_pack_needs_the_scope_for_evidence_and_is_of_ones_own_documents_alone(door: Door) -> None:
    other_scopes = [s for s in ApiScope if s is not ApiScope.EVIDENCE_READ]
    for path, agency in (await both_ids(door)).items():
        without = await door.key(agency, scopes=other_scopes)
        alone = await door.key(agency, scopes=[ApiScope.EVIDENCE_READ])
        other = PROVINCE if agency == DEPARTMENT else DEPARTMENT

        assert (await door.ask("GET", f"{path}/evidence", key=without)).status == 403
        assert (await door.ask("GET", f"{path}/evidence", key=alone)).status == 200
        assert (await door.ask("GET", f"{path}/evidence", agency=other)).status == 404
    for path in ("/messages/msg_nowhere", "/inbox/inb_nowhere"):
        assert (await door.ask("GET", f"{path}/evidence")).status == 404
