"""Steps about the partner's statuses of a document that the subject sent: in order, late, twice, out of order, with a bad
signature, about an unknown document. In: a kit. Out: expectations in a check."""

from __future__ import annotations

from gateway_labs.conformance.kit import Kit
from gateway_labs.conformance.score import Check

_UNSIGNED = ("bad-signature", "changed-after-signing", "unbound-certificate")


async def arrived(kit: Kit, check: Check) -> None:
    id, document = await _sent(kit, check)
    await kit.says(check, "01", document)
    await kit.state(check, id, "delivered")
    await kit.says(check, "03", document, register_no="1245")
    await kit.state(check, id, "accepted")
    message = await kit.message(id)
    check.equal("register_no", "1245", message.get("recipients", 0, "register_no"))


async def rejected(kit: Kit, check: Check) -> None:
    id, document = await _sent(kit, check)
    await kit.says(check, "02", document, note="Missing appendix 2")
    await kit.state(check, id, "rejected")
    (fact, *_) = await kit.fact(check, id, "02")
    text = f"{fact.get('reason') or ''} {fact.get('note') or ''}".strip()
    check.expect("the reason is shown", "Missing appendix 2", text, ok="Missing appendix 2" in text)


async def handled(kit: Kit, check: Check) -> None:
    id, document = await _sent(kit, check)
    for code, state in (("03", "accepted"), ("04", "assigned"), ("05", "processing"), ("06", "done")):
        await kit.says(check, code, document)
        await kit.state(check, id, state)


async def doubled(kit: Kit, check: Check) -> None:
    id, document = await _sent(kit, check)
    await kit.says(check, "05", document, flaws=["twice"])
    await kit.state(check, id, "processing")
    # A later status shows that both copies were processed.
    await kit.says(check, "06", document)
    await kit.fact(check, id, "06")
    check.equal("facts 05", 1, len(await kit.facts(id, "05")))


async def unordered(kit: Kit, check: Check) -> None:
    id, document = await _sent(kit, check)
    await kit.says(check, "05", document)
    await kit.state(check, id, "processing")
    await kit.says(check, "03", document)
    await kit.fact(check, id, "03")
    await kit.says(check, "01", document)
    await kit.fact(check, id, "01")
    check.equal("facts 05", 1, len(await kit.facts(id, "05")))
    await kit.state(check, id, "processing")


async def forged(kit: Kit, check: Check) -> None:
    id, document = await _sent(kit, check)
    for flaw in _UNSIGNED:
        row = await kit.expect_quarantined(check, await kit.says(check, "06", document, flaws=[flaw]))
        check.expect("reason", "a code", row.get("code"), ok=bool(row.get("code")))
    check.equal("facts 06", 0, len(await kit.facts(id, "06")))
    check.one_of("state", ("sending", "sent"), (await kit.message(id)).get("recipients", 0, "state"))


async def unknown(kit: Kit, check: Check) -> None:
    document = f"{kit.own},{kit.today:%Y/%m/%d},9{kit.number()}/KT-VP"
    await kit.expect_quarantined(check, await kit.says(check, "03", document))
    # Other documents go on.
    id, other = await _sent(kit, check)
    await kit.says(check, "01", other)
    await kit.state(check, id, "delivered")


async def _sent(kit: Kit, check: Check) -> tuple[str, str]:
    """Send a document to the partner; return its id and DocumentId."""
    sent = await kit.sent(check)
    await kit.packet(check, sent["document_id"], "edoc")
    return str(sent["id"]), str(sent["document_id"])
