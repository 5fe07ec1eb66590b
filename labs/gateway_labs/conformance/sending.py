"""Steps about sending: documents accepted and refused, with their messages, repeats that are no second document, and
packets on the axis. In: a kit. Out: expectations in a check."""

from __future__ import annotations

import uuid
from datetime import timedelta

from gateway_labs.conformance.kit import APPENDIX, PARTNER_CODE, SUBJECT, Kit, pointers, sha256, short
from gateway_labs.conformance.score import Check


async def accept(kit: Kit, check: Check) -> None:
    meta = kit.meta()
    answer = await kit.post(meta)
    check.need("POST /messages", "202", short(answer), ok=answer.status == 202)
    check.equal(
        "document_id",
        f"{kit.own},{kit.today:%Y/%m/%d},{meta['number']}/{meta['symbol']}",
        answer.get("document_id"),
    )
    check.one_of("state", ("queued", "sending", "sent", "delivered"), answer.get("state"))
    read = await kit.message(str(answer.get("id")))
    check.equal("GET /messages/{id}", 200, read.status)
    check.equal("number", meta["number"], read.get("number"))


async def faults(kit: Kit, check: Check) -> None:
    newest = await kit.newest()
    bad = kit.meta(number="", subject="", reply_required=None, type="")
    answer = await kit.post(bad)
    check.equal("POST /messages", 422, answer.status)
    fault_pointers = pointers(answer)
    expected = ["/number", "/reply_required", "/subject", "/type"]
    missing = [e for e in expected if not any(p.startswith(e) for p in fault_pointers)]
    check.expect("errors[].pointer", ", ".join(expected), ", ".join(fault_pointers), ok=not missing)
    typo = await kit.post(kit.meta(nmuber="1"))
    check.equal("an unknown field", 400, typo.status)
    check.expect("its pointer", "/nmuber", ", ".join(pointers(typo)), ok="/nmuber" in pointers(typo))
    check.equal("the newest document", newest, await kit.newest())


async def refused(kit: Kit, check: Check) -> None:
    newest = await kit.newest()
    secret = await kit.post(kit.meta(secrecy="mat"))
    check.equal("secrecy: mat", 422, secret.status)
    check.expect("pointer", "/secrecy", ", ".join(pointers(secret)), ok="/secrecy" in pointers(secret))
    unknown = await kit.post(kit.meta("T00.NOBODY"))
    check.equal("recipient T00.NOBODY", 422, unknown.status)
    check.expect(
        "pointer",
        "/recipients/0…",
        ", ".join(pointers(unknown)),
        ok=any(p.startswith("/recipients/0") for p in pointers(unknown)),
    )
    check.equal("the newest document", newest, await kit.newest())


async def idempotent(kit: Kit, check: Check) -> None:
    once, meta = str(uuid.uuid4()), kit.meta()
    first, repeat = await kit.post(meta, once), await kit.post(meta, once)
    check.need("POST /messages", "202", short(first), ok=first.status == 202)
    check.equal("the same call again", 202, repeat.status)
    check.equal("its id", first.get("id"), repeat.get("id"))
    other = await kit.post(meta | {"subject": "Something else"}, once)
    check.equal("the same key, another content", 422, other.status)
    document = str(first.get("document_id"))
    await kit.packet(check, document, "edoc")
    check.equal("packets on the axis", 1, len(await kit.packets(document, "edoc")))


async def external_id(kit: Kit, check: Check) -> None:
    meta = kit.meta(external_id=f"kit-{uuid.uuid4()}")
    first, repeat = await kit.post(meta), await kit.post(meta)
    check.need("POST /messages", "202", short(first), ok=first.status == 202)
    check.equal("the same external_id, another key", 202, repeat.status)
    check.equal("its id", first.get("id"), repeat.get("id"))
    other = await kit.post(meta | {"subject": "Something else"})
    check.equal("the same external_id, another content", 409, other.status)


async def packet(kit: Kit, check: Check) -> None:
    sent = await kit.sent(check)
    content = (await kit.packet(check, sent["document_id"], "edoc"))["said"]
    check.equal("signature", "valid", content["signature"])
    check.equal("schema", "ok", content["form"])
    check.equal("From/OrganId", kit.own, content["sender"])
    check.expect("gw:Id", "a packet id", content["packet_id"], ok=bool(content["packet_id"]))


async def fields(kit: Kit, check: Check) -> None:
    due = (kit.today + timedelta(days=7)).isoformat()
    meta = kit.meta(reply_required=True, reply_due=due, subject=SUBJECT)
    answer = await kit.post(meta)
    check.need("POST /messages", "202", short(answer), ok=answer.status == 202)
    content = (await kit.packet(check, str(answer.get("document_id")), "edoc"))["said"]
    for name in ("number", "symbol", "date", "subject"):
        check.equal(name, meta[name], content[name])
    check.equal("DocumentId", answer.get("document_id"), content["document_id"])
    check.equal("SignerInfo/FullName", meta["signer"]["name"], content["signer"])
    check.equal("DueDate", due, content["due"])
    check.equal("To/OrganId", [PARTNER_CODE], content["to"])
    check.equal("reply required", True, content["terms"].get("reply_required"))


async def urgent(kit: Kit, check: Check) -> None:
    sent = await kit.sent(check, urgency="hoa_toc")
    content = (await kit.packet(check, sent["document_id"], "edoc"))["said"]
    check.equal("Priority", 3, content["priority"])
    check.equal("lane of the axis", "urgent", content["lane"])


async def attachments(kit: Kit, check: Check) -> None:
    appendix = f"{APPENDIX}: 1.234,5 %\r\n".encode() * 300
    files = [*kit.files(), ("appendix", APPENDIX, appendix)]
    answer = await kit.post(kit.meta(), files=files)
    check.need("POST /messages", "202", short(answer), ok=answer.status == 202)
    content = (await kit.packet(check, str(answer.get("document_id")), "edoc"))["said"]
    sent_files = [(f["name"], f["sha256"]) for f in content["files"]]
    check.equal("files", [(name, sha256(raw)) for _, name, raw in files], sent_files)
