"""Steps about packets to the subject: taken in whole and once, answered with a signed receipt, and faulty ones kept out
where a person sees them. In: a kit. Out: expectations in a check."""

from __future__ import annotations

from datetime import date
from typing import Any

from gateway_labs.conformance.kit import PARTNER_CODE, SUBJECT, Json, Kit, sha256
from gateway_labs.conformance.score import Check

_FORGED = ("bad-signature", "changed-after-signing", "unbound-certificate")
_BROKEN = ("not-xml", "entity")
_UNFIT = ("broken-file", "too-large")


async def admitted(kit: Kit, check: Check) -> None:
    sent = await kit.act(check, "document", subject=SUBJECT)
    item = await kit.item(check, sent["document_id"])
    check.equal("from.code", PARTNER_CODE, item["from"]["code"])
    check.equal("subject", sent["subject"], item["subject"])
    check.equal("number", sent["number"], item["number"])
    check.equal("envelope_signature", "valid", item["checks"]["envelope_signature"])
    expected = [(file["name"], file["sha256"]) for file in sent["files"]]
    check.equal("files", expected, [(file["name"], file["sha256"]) for file in item["files"]])
    for file in item["files"]:
        got = await kit.subject.ask("GET", f"/inbox/{item['id']}/files/{file['n']}")
        check.equal(f"bytes of {file['name']}", file["sha256"], sha256(got.body))


async def receipt(kit: Kit, check: Check) -> None:
    sent = await kit.act(check, "document")
    status = await kit.status(check, sent["document_id"], "01")
    content = status["said"]
    check.equal("signature", "valid", content["signature"])
    check.equal("schema", "ok", content["form"])
    check.equal("receipt names the packet", sent["packet_id"], (content["receipt"] or {}).get("packet_id"))
    check.equal("receipt names the code", "01", (content["receipt"] or {}).get("code"))


async def doubled(kit: Kit, check: Check) -> None:
    sent = await kit.act(check, "document", flaws=["twice"])
    await kit.item(check, sent["document_id"])
    await kit.marker(check)
    check.equal("entries", 1, len(await kit.items(sent["document_id"])))


async def conflicting(kit: Kit, check: Check) -> None:
    number = kit.number()
    first = await kit.act(check, "document", number=number)
    item = await kit.item(check, first["document_id"])
    await kit.act(check, "document", number=number, flaws=["other-content"])
    await kit.marker(check)
    entries = await kit.items(first["document_id"])
    first_entries = [e for e in entries if e["id"] == item["id"]]
    check.equal(
        "the first one's subject", first["subject"], first_entries[0]["subject"] if first_entries else None
    )
    states = [e["state"] for e in entries if e["id"] != item["id"] and e["state"] != "held"]
    check.equal("others that were taken in", [], states)


async def forged(kit: Kit, check: Check) -> None:
    for flaw in _FORGED:
        await _kept_out(kit, check, flaw)


async def misdirected(kit: Kit, check: Check) -> None:
    sent = await kit.act(check, "document", flaws=["wrong-recipient"])
    status = await kit.status(check, sent["document_id"], "02")
    check.equal("signature of the 02", "valid", status["said"]["signature"])
    states = [e["state"] for e in await kit.items(sent["document_id"]) if e["state"] == "new"]
    check.equal("taken in", [], states)


async def broken(kit: Kit, check: Check) -> None:
    for flaw in _BROKEN:
        await _kept_out(kit, check, flaw)
    for flaw in _UNFIT:
        sent = await kit.act(check, "document", flaws=[flaw])
        item = await kit.item(check, sent["document_id"])
        check.one_of(f"{flaw}: state", ("held", "rejected"), item["state"])


async def answered(kit: Kit, check: Check) -> None:
    item = await _taken_in(kit, check)
    answer = await kit.set_status(check, item["id"], code="03", register_no="77", staff={"name": "Clerk"})
    check.equal("register_no", "77", answer.get("register_no"))
    content = (await kit.status(check, item["document_id"], "03"))["said"]
    check.equal("signature of the 03", "valid", content["signature"])
    check.equal("its register_no", "77", content["terms"].get("register_no"))
    other = await _taken_in(kit, check)
    bare = await kit.subject.ask("POST", f"/inbox/{other['id']}/status", {"code": "02"})
    check.equal("02 without a reason", 422, bare.status)
    await kit.set_status(check, other["id"], code="02", reason="MISSING_FILE", note="Appendix 2")
    content = (await kit.status(check, other["document_id"], "02"))["said"]
    text = (content["status"] or {}).get("description") or ""
    check.expect("the 02 says why", "Appendix 2", text, ok="Appendix 2" in text)


async def worked_on(kit: Kit, check: Check) -> None:
    item = await _taken_in(kit, check)
    await kit.set_status(check, item["id"], code="03", register_no=kit.number())
    await kit.set_status(check, item["id"], code="04", assignment={"lead_unit": "Office"})
    await kit.set_status(check, item["id"], code="05")
    await kit.set_status(check, item["id"], code="06")
    repeat = await kit.set_status(check, item["id"], code="06")
    check.equal("06 again", True, repeat.get("repeated"))
    for code in ("04", "05", "06"):
        status = await kit.status(check, item["document_id"], code)
        check.equal(f"signature of the {code}", "valid", status["said"]["signature"])
    codes = [p["said"]["status"]["code"] for p in await kit.packets(item["document_id"], "status")]
    check.equal("06 on the axis", 1, codes.count("06"))


async def asked_for_reply(kit: Kit, due: date, check: Check) -> Json:
    sent = await kit.act(check, "document", due=due.isoformat())
    return await kit.item(check, sent["document_id"])


async def _kept_out(kit: Kit, check: Check, flaw: str) -> None:
    """Expect it not among the documents, shown with its reason, and unanswered."""
    sent = await kit.act(check, "document", flaws=[flaw])
    row = await kit.expect_quarantined(check, sent)
    check.expect(f"{flaw}: reason", "a code", row.get("code"), ok=bool(row.get("code")))
    check.equal(f"{flaw}: entries", 0, len(await kit.items(sent["document_id"])))
    check.equal(f"{flaw}: answers", 0, len(await kit.packets(sent["document_id"], "status")))


async def _taken_in(kit: Kit, check: Check, **fields: Any) -> Json:
    sent = await kit.act(check, "document", **fields)
    return await kit.item(check, sent["document_id"])
