"""`POST /envelopes` over HTTP: its shape, its repeats and its refusals; and the envelope that its receiver reads."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

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


async def test_a_signed_envelope_is_accepted_and_read_by_its_receiver_byte_for_byte(door: Door) -> None:
    sent = packet(door)

    answer = await hand_in(door, sent.raw, "?external_id=q-50")

    assert answer.status == 202, answer
    assert answer.json["external_id"] == "q-50"
    await door.carry()
    listed = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
    found = await door.ask("GET", f"/inbox/{listed[0]['id']}/envelope", agency=PROVINCE)
    assert found.raw == sent.raw


async def test_the_same_key_and_envelope_get_the_first_answer(door: Door) -> None:
    sent = packet(door)
    first = await hand_in(door, sent.raw)

    again = await hand_in(door, sent.raw)

    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json["id"] == first.json["id"]
    other = await hand_in(door, packet(door, "51", "own-51").raw)
    assert other.status == 422


@pytest.mark.parametrize(
    ("raw", "query", "once", "headers", "status"),
    [
        (b"<a/>", "", "k", XML, 422),
        (b"", "", "k", XML, 422),
        (b"<a/>", "", "k", {"Content-Type": "application/json"}, 415),
        (b"<a/>", "", None, XML, 400),
        (b"<a/>", "?rol=to_act", "k", XML, 400),
        (b"<a/>", "?role=boss", "k", XML, 400),
    ],
)
async def test_a_call_of_the_wrong_shape_is_told_what_is_wrong(
    door: Door, raw: bytes, query: str, once: str | None, headers: Mapping[str, str], status: int
) -> None:
    answer = await hand_in(door, raw, query, once, headers)

    assert answer.status == status, answer
