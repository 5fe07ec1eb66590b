"""One document has one word at every place that shows it."""

from __future__ import annotations

import io
import zipfile
from collections import Counter

from gateway.domain.document import DeliveryMode, OutgoingDocument
from gateway.words import labels
from gateway_office.domain.listing import outgoing_line
from tests.office.support.api import COMMUNE, DEPARTMENT, PROVINCE, OfficeDoor
from tests.support import evidence
from tests.support.cases import Cases


async def _documents(door: OfficeDoor) -> dict[str, OutgoingDocument]:
    """Send one document for each state word."""
    town, unhosted = door.town, ("recipient-unhosted",)
    rejected = await town.send("11", PROVINCE, COMMUNE)
    failed = await town.send("12", PROVINCE, "G01", confirm=unhosted)
    finished = await town.send("13")
    await town.carry()
    await town.status(await town.as_incoming(rejected), "02")
    await town.status(await town.as_incoming(finished), "06")
    await town.carry()
    documents = {
        "rejected": rejected,
        "failed": failed,
        "done": finished,
        "draft": await town.send("14", send=False),
        "queued": await town.send("15"),
        "cancelled": await town.send("16"),
        "paper": await town.send("17", delivery_mode=DeliveryMode.PAPER),
    }
    await door.ask("POST", f"/messages/{documents['cancelled'].id}/cancel", json={})
    return {word: await town.document(document) for word, document in documents.items()}


async def test_a_document_has_one_word_at_api_list_and_in_its_evidence(
    door: OfficeDoor, cases: Cases
) -> None:
    by_word = await _documents(door)
    listed = {row["id"]: row["state"] for row in (await door.ask("GET", "/messages?limit=50")).json["data"]}
    for word, document in by_word.items():
        with cases.case(word):
            deliveries = list((await door.town.deliveries(document)).values())
            counted = Counter(delivery.state for delivery in deliveries)
            words = {
                "API": (await door.ask("GET", f"/messages/{document.id}")).json["state"],
                "API list": listed[document.id],
                "list": outgoing_line(document, counted, None, None, None).state,
            }
            assert words == dict.fromkeys(words, word)
            if word not in ("draft", "paper"):
                pack = await evidence.pack_of(door.town, DEPARTMENT, document.id)
                assert labels.say(f"state.{word}", "vi") in _read(pack)


def _read(pack: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(pack)) as archive:
        pages = [archive.read(name).decode() for name in archive.namelist() if name.endswith(".html")]
    return "\n".join(pages)
