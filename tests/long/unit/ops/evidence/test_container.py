"""The file around a pack, byte by byte (E5)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from gateway.domain.evidence import SpoiledPack
from gateway.ops.evidence import pack_file
from tests.support.evidence import played_scene

SMALL = 1024


def test_threat_118_every_byte_of_every_small_member_header_and_directory_counts(tmp_path: Path) -> None:
    """Big members are sampled; every other byte of the file is turned, one at a time."""
    file, raw = tmp_path / "pack.zip", played_scene().sent
    file.write_bytes(raw)
    pack = pack_file.read_pack(file)
    big = [
        range(pack.offsets[member.name], pack.offsets[member.name] + member.size)
        for member in pack.manifest.members
        if member.size > SMALL
    ]
    sampled = {place for span in big for place in span[:: max(1, len(span) // 40)]}
    skipped = {place for span in big for place in span} - sampled
    member_at = owner_of(pack)
    wrong = []
    with file.open("r+b") as handle:
        for place in range(len(raw)):
            if place in skipped:
                continue
            os.pwrite(handle.fileno(), bytes([raw[place] ^ 1 << place % 8]), place)
            refused_member = refused_for(file)
            if refused_member is None or member_at(place) not in (refused_member, None):
                wrong.append((place, refused_member))
            os.pwrite(handle.fileno(), raw[place : place + 1], place)

    assert wrong == []
    assert pack_file.read_pack(file).manifest == pack.manifest


def refused_for(file: Path) -> str | None:
    """The member for which a pack is refused; None when it is taken."""
    try:
        pack_file.read_pack(file)
    except SpoiledPack as refused:
        return refused.member
    return None


def owner_of(pack: pack_file.Pack) -> Callable[[int], str | None]:
    """The member whose bytes stand at a place; None for what is no member's."""
    spans = [
        (pack.offsets[member.name], pack.offsets[member.name] + member.size, member.name)
        for member in pack.manifest.members
    ]

    def owner(place: int) -> str | None:
        return next((name for start, end, name in spans if start <= place < end), None)

    return owner
