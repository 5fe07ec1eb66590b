"""Callers that work through the hot folder of their agency. In: letters, the folder as it lies on the node's disk. Out:
entries in `out/`, written piece by piece, until a receipt or a reason lies there; folders in `in/` that a document system
reads and takes away; documents that were acknowledged, and that it never saw."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from asyncio import sleep
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from gateway.bootstrap.node import OpenNode
from gateway.domain.document import IncomingDocument
from gateway.domain.wall_clock import local
from tests.simulation.callers import Caller, Crowd, Letter, Receiver, Sender
from tests.simulation.ledger import Ledger, Sent
from tests.simulation.rows import Rows
from tests.simulation.stage import BY_FOLDER, HOT_FOLDER, Cast
from tests.simulation.world import Host

_META, _RULE = "meta.json", "-" * 72
# Shorter than the time after which a node takes a file for finished.
_PIECE_S = 2.0


def _base(host: Host, code: str) -> Path:
    """Return the agency's folder, also while no process runs."""
    return (host.left or host.folder) / HOT_FOLDER / code


def _write(host: Host, path: Path, content: bytes) -> None:
    """Write a file, synced as its folder is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if host.left is None:
        for place in (path, path.parent, path.parent.parent):
            handle = os.open(place, os.O_RDONLY)
            with suppress(OSError):  # where the disk is full
                host.disk.sync(handle)
            os.close(handle)


class FolderSender(Sender):
    """Sends documents by the folder, and leaves them as they are."""

    async def _send_one(self, n: int) -> None:
        letter = self.new_letter(n)
        self.crowd.ledger.tried += 1
        while True:
            base = _base(self.host, self.cast.code)
            for path in sorted([*base.glob(f"sent/*/*/*/{letter.key}.result.json")]):
                self._accept(letter, json.loads(path.read_text("utf-8"))["id"])
                return
            if (reason := base / "error" / f"{letter.key}.error.txt").exists():
                words = reason.read_text("utf-8").partition(_RULE)[2]
                self.crowd.world.broken(f"a good letter was refused in the hot folder: {words!r}")
                return
            if not (base / "out" / letter.key / _META).exists():
                await self._hand_in(letter)
            await sleep(self.chance.uniform(5.0, 60.0))

    async def _hand_in(self, letter: Letter) -> None:
        """Write the entry's files, half of one first; its meta comes last."""
        for name, raw in letter.files():
            if self.chance.random() < 0.3:
                self._write(letter, name, raw[: len(raw) // 2])
                await sleep(_PIECE_S * self.chance.random())
            self._write(letter, name, raw)
        self._write(letter, _META, json.dumps(self._meta(letter), ensure_ascii=False).encode())
        self.tell("handed_in", letter.key)

    def _write(self, letter: Letter, name: str, content: bytes) -> None:
        _write(self.host, _base(self.host, self.cast.code) / "out" / letter.key / name, content)

    def _meta(self, letter: Letter) -> dict[str, Any]:
        roles = ["lead", "appendix"]
        return {
            "number": letter.number,
            "symbol": "STD-VP",
            "date": local(self.host.clock.now()).date().isoformat(),
            "type": "cong_van",
            "subject": f"Về việc {letter.key}",
            "signer": {"name": "Nguyễn Văn Mẫu"},
            "reply_required": False,
            "recipients": [{"code": code, "role": "to_act"} for code in letter.recipients],
            "files": [{"name": name, "role": roles[n > 0]} for n, (name, _) in enumerate(letter.files())],
        }

    def _accept(self, letter: Letter, id: str) -> None:
        self.tell("sent", f"{letter.key} {id} to {','.join(letter.recipients)}")
        self.crowd.ledger.accepted(
            Sent(
                key=letter.key,
                id=id,
                sender=self.cast.code,
                recipients=letter.recipients,
                files={name: hashlib.sha256(raw).hexdigest() for name, raw in letter.files()},
            )
        )


class FolderReceiver(Receiver):
    """Collects documents from `in/`, works on each, and takes its folder away, which acknowledges it."""

    async def _fetch(self) -> bool:
        inn = _base(self.host, self.cast.code) / "in"
        for id in sorted(path.parent.name for path in inn.glob(f"*/{_META}")):
            document = await self.ask("read", partial(self._read, id))
            self._compare(id)
            await self._attempt(id, self._take_in(document))
            folder = _base(self.host, self.cast.code) / "in" / id
            if folder.is_dir():
                shutil.rmtree(folder)
                self.crowd.ledger.collected.add((self.cast.code, id))
                self.crowd.ledger.acked.add((self.cast.code, id))
                self.tell("collected", id)
        return False

    async def _read(self, id: str, node: OpenNode) -> IncomingDocument:
        async with node.store.read(self.scope) as work:
            return await work.incoming.get(id)

    def _compare(self, id: str) -> None:
        """Compare the files with what the meta says; a document that was taken back has none."""
        folder = _base(self.host, self.cast.code) / "in" / id
        if not folder.is_dir():  # a power cut took it
            return
        meta = json.loads((folder / _META).read_text("utf-8"))
        for file in meta["files"] if meta["paths"] else ():
            path = folder / meta["paths"][str(file["n"])]
            if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != file["sha256"]:
                self.crowd.world.broken(f"{id}/{path.name} does not lie in the hot folder as its meta says")


MAKERS: Mapping[tuple[str, str], Callable[[Crowd, Cast], Caller]] = {
    **{("sender", code): FolderSender for code in BY_FOLDER},
    **{("receiver", code): FolderReceiver for code in BY_FOLDER},
}


def check(sides: list[Rows], ledger: Ledger) -> Iterator[str]:
    """Name documents that were acknowledged without their document system, which alone may take their folders away."""
    for side in sides:
        for row in side["handover"]:
            key = (row["agency"], row["incoming_id"])
            if row["agency"] in BY_FOLDER and row["state"] == "acked" and key not in ledger.collected:
                yield f"{side.name} {key}: acknowledged, and its document system never saw it in its folder"
