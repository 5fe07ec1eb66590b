"""Every variant that was counted in the wild, through a hub into a node: as that hub writes it anew, and
as the hub would give it that passes bytes on. What can be read is taken in, and told what stayed unknown; what cannot be
read has its place and its word. The files of the samples are text under the names of PDFs, so a clerk is asked about
each of them, and about nothing else where nothing is written here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway_labs.simulators import again
from gateway_labs.simulators.settings import HubOptions
from tests.foreign.interop.vxp_client import SdkClient
from tests.support import node
from tests.support.clock import ManualClock
from tests.support.node import PROVINCE, Town
from tests.support.town import vxp

SAMPLES = Path(__file__).parents[2] / "interop" / "samples"
NAMES = sorted(path.stem for path in SAMPLES.glob("*.edxml"))
OURS, THEIRS = "truc.lienthong.01", "la.mophong.01"
SENDER, OTHER = "000.00.07.Z91", "000.00.12.Z92"
NO_PDF = "broken at /files/0 (name=cong-van.pdf, why=unreadable)"

# What is not a document that a clerk is asked about, by what became of the packet.
ELSEWHERE = {
    **dict.fromkeys(
        ("a-recall", "a-update", "aliases", "recall-by-response"), "held GW-I-100"
    ),  # what they change is not here
    **dict.fromkeys(("a-status", "status-13", "status-one-digit"), "waiting WAITING"),
    **dict.fromkeys(
        ("attachment-damaged-zip", "attachment-not-base64", "attachment-placeholder"), "returned DAMAGED"
    ),
    **dict.fromkeys(("c-e-mail", "c-soap", "other-root"), "malformed ENV-DIALECT"),
    **dict.fromkeys(
        ("mismatched-tags", "stray-bytes", "truncated", "unbound-prefix"), "malformed ENV-NOT-XML"
    ),
    **dict.fromkeys(("latin-1", "not-utf-8", "utf-16"), "malformed ENV-ENCODING"),
    **dict.fromkeys(("doctype", "entity"), "quarantined ENV-FORBIDDEN"),
}
# An empty answer is none, and it is asked for again.
ABSENT = {"empty"}
NOT_OURS = {"to-code-only"}
# Whose files are no PDFs, or were lost on the way.
SOUND = {"file-did-not-come", "bare-header"}
WARNINGS = {
    "bare-header": ("at=CodeNumber", "at=PromulgationDate", "at=DocumentType"),
    "zip-labelled-pdf": ("type-unlike-name at /files/1",),
}


@dataclass(frozen=True, kw_only=True)
class Wild:
    """A node on a hub, and another system there that is none of ours."""

    town: Town
    hub: vxp.Axis
    client: SdkClient

    async def sent(self, name: str) -> dict[str, str]:
        is_status = "status" in name
        return await asyncio.to_thread(
            self.client.send,
            sample(name),
            OTHER if is_status else SENDER,
            "status" if is_status else "edoc",
        )

    async def passed_on(self, name: str) -> None:
        """Pass a packet on unchanged, as a plain hub does."""
        with pytest.MonkeyPatch.context() as other:
            other.setattr(again, "write_envelope", lambda *_: iter((sample(name),)))
            await self.sent("a-status" if "status" in name else "plain")

    async def carry(self) -> None:
        for _ in range(2):
            await self.town.look()
            await self.town.carry()
            self.town.clock.advance(700)


@pytest.fixture
async def wild(tmp_path: Path) -> AsyncIterator[Wild]:
    clock = ManualClock()
    systems = {OURS: [PROVINCE], THEIRS: [SENDER, OTHER, "Z93.05"]}
    async with AsyncExitStack() as stack:
        options = HubOptions(code="TRUC.W00", fresh_h=0)
        hub = await stack.enter_async_context(
            vxp.simulator(tmp_path / "hub", systems, now=clock.now, hub=options)
        )
        town = await stack.enter_async_context(
            node.opened(tmp_path / "node", clock, change=hub.connect(OURS))
        )
        client = SdkClient(hub.url, THEIRS, f"secret of {THEIRS}")
        stack.callback(client.close)
        await town.carry()
        yield Wild(town=town, hub=hub, client=client)


def sample(name: str) -> bytes:
    """Return a sample addressed to an agency of this node, in this year; a status is about a document of ours."""
    raw = (SAMPLES / f"{name}.edxml").read_bytes().replace(b"2031", b"2026")
    ours = SENDER if "status" in name else OTHER
    return raw.replace(ours.encode(), PROVINCE.encode())


async def became(wild: Wild) -> str:
    """Return the state and code of the one packet that arrived."""
    (row,) = await wild.town.inbox(PROVINCE)
    return f"{row.state} {row.code}"


@pytest.mark.parametrize("name", sorted(set(NAMES) - ABSENT - NOT_OURS))
async def test_what_a_hub_passes_on_is_taken_in_or_has_its_place(wild: Wild, name: str) -> None:
    await wild.passed_on(name)
    await wild.carry()

    if name in ELSEWHERE:
        assert await became(wild) == ELSEWHERE[name]
        assert not await wild.town.incoming(PROVINCE)
    else:
        await asked_about_nothing_else(wild, name)


@pytest.mark.parametrize("name", sorted(set(NAMES) - ABSENT - NOT_OURS))
async def test_what_a_hub_writes_anew_is_taken_in_as_well(wild: Wild, name: str) -> None:
    answer = await wild.sent(name)

    if ELSEWHERE.get(name, "").partition(" ")[0] in ("malformed", "quarantined"):
        assert (answer["ErrorCode"], answer["DocId"]) == ("22", "")
        return
    assert answer["ErrorCode"] == "0", answer
    await wild.carry()
    if name in ELSEWHERE:
        assert await became(wild) == ELSEWHERE[name]
    else:
        await asked_about_nothing_else(wild, name)


async def asked_about_nothing_else(wild: Wild, name: str) -> None:
    document = await wild.town.only(PROVINCE)
    assert document.vouched_by == "axis"
    assert document.checks["digests"] == "match"
    assert document.checks["reasons"] == ("" if name in SOUND else NO_PDF)
    for warning in WARNINGS.get(name, ()):
        assert warning in document.checks["warnings"]
    if name not in WARNINGS:
        assert document.checks["warnings"] == ""
    assert not wild.hub.hub.waiting(OURS, "edoc"), "the hub was not told"


async def test_an_empty_answer_counts_as_none_and_the_question_is_repeated(wild: Wild) -> None:
    await wild.passed_on("empty")
    await wild.carry()

    assert not await wild.town.inbox(PROVINCE)
    assert wild.hub.hub.waiting(OURS, "edoc"), "what was not given is not settled"


async def test_a_file_for_others_is_refused_and_settled(wild: Wild) -> None:
    await wild.passed_on("to-code-only")
    await wild.carry()

    assert await became(wild) == "returned MSG-NOT-OURS"
    assert not wild.hub.hub.waiting(OURS, "edoc")
