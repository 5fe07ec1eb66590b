"""`POST /envelopes` over HTTP: its shape, its repeats and its refusals; and the envelope that its receiver reads."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.api import Answer, Door
from tests.support.node import PDF, PROVINCE, Packet, document

FILES = (("van-ban.pdf", PDF),)
XML = {"Content-Type": "application/xml"}


def packet(door: Door, number: str = "50", id: str | None = "own-50") -> Packet:
    return door.town.forge(document(number, FILES), FILES, id=id)


async def hand_in(
    door: Door, raw: bytes, query: str = "", once: str | None = "one", headers: Mapping[str, str] = XML
) -> Answer:
    return await door.ask("POST", f"/envelopes{query}", once=once, data=raw, headers=headers)


async def test_a_signed_envelope_is_accepted_once_and_read_by_its_receiver_byte_for_byte(door: Door) -> None:
    sent = packet(door)

    answer = await hand_in(door, sent.raw, "?external_id=q-50")
    repeat = await hand_in(door, sent.raw, "?external_id=q-50")
    other = await hand_in(door, packet(door, "51", "own-51").raw, "?external_id=q-50")

    assert answer.status == 202, answer
    assert answer.json["external_id"] == "q-50"
    assert (repeat.headers["Idempotency-Replayed"], repeat.json["id"]) == ("true", answer.json["id"])
    assert other.status == 422
    await door.carry()
    listed = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
    envelope = await door.ask("GET", f"/inbox/{listed[0]['id']}/envelope", agency=PROVINCE)
    assert envelope.raw == sent.raw


async def test_a_call_of_the_wrong_shape_is_told_what_is_wrong(door: Door) -> None:
    json = {"Content-Type": "application/json"}
    assert (await hand_in(door, b"", "", "k")).status == 422
    assert (await hand_in(door, b"<a/>", "", "k")).status == 422
    assert (await hand_in(door, b"<a/>", "", "k", json)).status == 415
    for query, once in (("", None), ("?rol=to_act", "k"), ("?role=boss", "k")):
        assert (await hand_in(door, b"<a/>", query, once)).status == 400
