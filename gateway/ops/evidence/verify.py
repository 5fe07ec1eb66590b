"""Verifies an evidence pack without a node, a network or a database (E5). In: the pack, whom the user believes, the time of
the check. Out: `Report`: what holds, what does not, what cannot be told, and for what time. What a pack contains never
raises; a file or a folder that cannot be used is an error that says what to mend."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from gateway.domain.evidence import MANIFEST, SIGNATURE, STORY, SpoiledPack
from gateway.errors import Misconfigured
from gateway.ops.evidence import anchors, checked_log, checked_packets, key, read
from gateway.ops.evidence.anchors import Anchors
from gateway.ops.evidence.parts import MOST_STORY, read_story
from gateway.ops.evidence.read import Pack
from gateway.ops.evidence.report import Line, Report


def verify(path: Path, trust: Path | None, published: Path | None, at: datetime) -> Report:
    """The report on one file, as of `at`."""
    if at.tzinfo is None:
        raise Misconfigured(
            f"the time {at.isoformat()} has no zone", hint="write it like 2031-03-04T09:15:00+07:00"
        )
    believed = anchors.read(trust, published)
    lines: list[Line] = []
    about: dict[str, str] = {}
    try:
        pack = read.read(path)
        about |= _about(pack)
        lines.extend(_lines(pack, believed, at))  # those before a fault stay
    except SpoiledPack as fault:
        lines.append(Line(step="container", ok=False, note="spoiled", member=fault.member, detail=fault.why))
    return Report(at=at, lines=tuple(lines), anchors=believed.told, about=about)


def _lines(pack: Pack, believed: Anchors, at: datetime) -> Iterator[Line]:
    """As they are found: what a spoiled member hides is not told."""
    members = pack.manifest.members
    size = sum(each.size for each in members)
    yield Line(
        step="container", ok=True, note="whole", params={"count": str(len(members)), "size_bytes": str(size)}
    )
    yield _manifest(pack, believed)
    story = read_story(pack.read(STORY, MOST_STORY))
    digests = frozenset(each.sha256 for each in story.packets)
    found = checked_log.check(
        pack,
        checked_log.TimeAnchors(
            authorities=believed.authorities, node_keys=believed.node_keys, published=believed.published
        ),
        digests,
    )
    yield from found.lines
    who = checked_packets.Believed(
        trust=anchors.trust_with(believed, pack, lambda: at), bindings=believed.bindings, at=at
    )
    yield from checked_packets.check(pack, story, who, found.times)


def _manifest(pack: Pack, believed: Anchors) -> Line:
    """Who put the pack together; whether one believes that key is the user's to say."""
    key.check(pack.signature, pack.manifest_bytes)
    known = pack.signature.public_key in believed.node_keys
    return Line(
        step="manifest",
        ok=True if known else None,
        note="manifest_known" if known else "not_anchored",
        params={
            "node": pack.manifest.node,
            "time": pack.manifest.made_at,
            "fingerprint": hashlib.sha256(pack.signature.public_key).hexdigest(),
        },
        member=MANIFEST if known else SIGNATURE,
    )


def _about(pack: Pack) -> dict[str, str]:
    manifest = pack.manifest
    return {
        "pack": manifest.pack,
        "made_at": manifest.made_at,
        "node": manifest.node,
        "agency": manifest.agency,
        "software": manifest.software,
        **manifest.about,
    }
