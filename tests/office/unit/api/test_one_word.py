"""One document has one word, and a paused webhook no next try, at every place that shows them."""

from __future__ import annotations

import io
import zipfile
from collections import Counter

from gateway.cli import documents, operations
from gateway.cli.command import Invocation
from gateway.cli.node import CommandContext, chosen
from gateway.domain.document import DeliveryMode, OutgoingDocument
from gateway.words import labels
from gateway_office.domain.listing import outgoing_line
from tests.office.support.api import COMMUNE, DEPARTMENT, PROVINCE, OfficeDoor
from tests.support import evidence
from tests.support.cases import Cases
from tests.support.hooks import Hooked


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


async def test_a_document_has_one_word_at_api_terminal_list_and_in_its_evidence(
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
                "terminal": documents.outgoing_record(Invocation(), document, deliveries)["state"],
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


async def test_a_paused_webhook_has_no_next_try_anywhere(near_door: OfficeDoor) -> None:
    door, hooked = near_door, Hooked(town=near_door.town)
    _, endpoint = await hooked.add("http://127.0.0.1:9/nobody", "message.*")
    await hooked.happen(3)
    await hooked.push()
    agency = chosen(await door.node.store.hosted(), DEPARTMENT)
    context = CommandContext(node=door.node, agency=agency, scope=await hooked.scope())

    async def list_retries() -> tuple[bool, bool, list[bool], list[bool]]:
        path = f"/webhooks/{endpoint.id}"
        rows = (await door.ask("GET", f"{path}/deliveries")).json["data"]
        at_terminal = await operations.carry_out(Invocation(), context, "readWebhook", id=endpoint.id)
        log = await operations.carry_out(Invocation(), context, "listDeliveries", id=endpoint.id)
        return (
            (await door.ask("GET", path)).json["next_try_at"] is not None,
            at_terminal.next_try_at is not None,
            [row["next_try_at"] is not None for row in rows if row["state"] == "waiting"],
            [row.next_try_at is not None for row in log.data if row.state == "waiting"],
        )

    assert await list_retries() == (True, True, [True, True], [True, True])
    await door.node.webhooks.pause(await hooked.scope(), endpoint.id)
    assert await list_retries() == (False, False, [False, False], [False, False])
