"""A secret that came to a node, and whether any of it can still be read on its disk."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

from gateway.settings import Settings
from gateway.trust.hold_seal import KeyUnsealer
from tests.support.node import Packet, Town, document
from tests.support.passphrases import plain_pair

# A text under the name of a PDF: it is sent unchanged, so that it can be looked for in base64.
SECRET = b"the words of a secret that nobody may find; " * 3000
FILES = (("van-ban.pdf", SECRET),)
PRIVATE, PUBLIC = plain_pair()


def key(private: bytes = PRIVATE) -> KeyUnsealer:
    return KeyUnsealer.from_file(private, b"")


def with_recipient(settings: Settings) -> Settings:
    path = settings.node.data_dir / "head.pub"
    path.write_bytes(PUBLIC)
    return replace(settings, seal=replace(settings.seal, recipient=path))


def plain_places(folder: Path, raw: bytes = SECRET) -> list[str]:
    """Files of the node in which some of it can be read, plain or in base64 at any alignment."""
    middle = raw[len(raw) // 2 :][:48]
    samples = [middle, *(base64.b64encode(raw[len(raw) // 2 + n :][:48])[:60] for n in range(3))]
    places = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if any(s in content for s in samples):
                places.append(str(path.relative_to(folder)))
    return places


async def deliver_secret(town: Town) -> Packet:
    packet = town.forge(document(files=FILES), FILES)
    await town.brought(packet)
    return packet
