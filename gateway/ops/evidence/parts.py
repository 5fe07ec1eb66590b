"""The files of an evidence pack from what was found. In: a story, packets with their verdicts, the proofs of the log. Out:
`Part`s under the names that a reader looks for. Packets stay where they are until the pack is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from gateway.domain.evidence import (
    CERTIFICATES,
    CONSISTENCY,
    LEAVES,
    REVOCATION,
    STORY,
    SpoiledPack,
)
from gateway.domain.evidence_story import Story
from gateway.domain.revocation import Source
from gateway.ops.evidence import log
from gateway.ops.evidence.log import LogProofs
from gateway.ops.evidence.tell import Heard
from gateway.ops.evidence.write import Part, part_of, too_large

if TYPE_CHECKING:
    from gateway.bootstrap.node import Node

LINES = "application/jsonl"
# Some two kilobytes for each packet.
MOST_STORY = 32 * 1024 * 1024
_STORY = TypeAdapter(Story)
_MEDIA = {Source.OCSP: "application/ocsp-response", Source.LIST: "application/pkix-crl"}


def of_story(story: Story) -> Part:
    """Clash where no reader would take it."""
    raw = _STORY.dump_json(story, indent=1) + b"\n"
    if len(raw) > MOST_STORY:
        raise too_large("its story would be too long")
    return part_of(STORY, "application/json", raw)


def read_story(raw: bytes) -> Story:
    """SpoiledPack for what is no story."""
    try:
        return _STORY.validate_json(raw)
    except ValidationError as cause:
        raise SpoiledPack(STORY, f"it is no story of a pack: {cause.error_count()} faults") from cause


def story_json(story: Story) -> dict[str, Any]:
    """As the pack has it, for programs."""
    told: dict[str, Any] = _STORY.dump_python(story, mode="json")
    return told


def of_packets(heard: Sequence[Heard]) -> list[Part]:
    return [
        Part(name=each.member, media="application/xml", open=each.held.open)
        for each in heard
        if each.held.open is not None
    ]


def of_certificates(heard: Sequence[Heard]) -> list[Part]:
    """Each certificate that signed, and its issuers; once, under its fingerprint. In a pack they are there to be read and
    to fill gaps; nobody believes an anchor because a pack brings it (E5)."""
    found: dict[str, bytes] = {}
    for each in heard:
        if each.judged is not None and each.judged.evidence is not None:
            chain = each.judged.evidence.chain
            found |= {f"{CERTIFICATES}{one.sha256}.cer": one.der for one in chain}
    return [part_of(name, "application/pkix-cert", found[name]) for name in sorted(found)]


def of_answers(answers: Mapping[str, tuple[Source, bytes]]) -> list[Part]:
    """What authorities said about these certificates, byte for byte, by digest."""
    return [
        part_of(f"{REVOCATION}{digest}.{source.value}", _MEDIA[source], body)
        for digest, (source, body) in sorted(answers.items())
    ]


def of_log(proofs: LogProofs) -> list[Part]:
    """Nothing where nothing is sealed."""
    if not proofs.seals:
        return []
    return [
        part_of(LEAVES, LINES, log.leaves_bytes(proofs.leaves)),
        part_of(CONSISTENCY, LINES, log.joined_bytes(proofs.joined)),
        *(
            part_of(log.seal_name(each.signed.seal.number), "text/plain", each.to_bytes())
            for each in proofs.seals
        ),
    ]


def policy_of(node: Node) -> tuple[tuple[str, str], ...]:
    """What was acceptable here, by name."""
    told = {
        **{f"xml.{name}": value for name, value in asdict(node.inn.xml).items() if name != "limits"},
        **{f"xml.limits.{name}": value for name, value in asdict(node.inn.xml.limits).items()},
        **{f"trust.{name}": value for name, value in asdict(node.inn.trust_policy).items()},
    }
    return tuple((name, _text(value)) for name, value in sorted(told.items()))


def _text(value: object) -> str:
    return ", ".join(sorted(map(str, value))) if isinstance(value, frozenset) else str(value)
