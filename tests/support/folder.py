"""A hot folder beside a town: what a document system lays and finds there, on a count of seconds that the test owns."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.folder.layout import NOTE, FolderRules
from gateway.folder.worker import FolderLoop
from tests.support import api
from tests.support.node import DEPARTMENT, PDF, PROVINCE, Town

SETTLE_S, WAIT_S = 5.0, 600.0


@dataclass(kw_only=True)
class Desk:
    """The folder of one agency, and the loop that works in it."""

    town: Town
    root: Path
    code: str = DEPARTMENT
    agencies: frozenset[str] | None = frozenset({DEPARTMENT.casefold(), PROVINCE.casefold()})
    batch: int = 50
    most_in: int = 1000
    sent_days: int = 0
    error_days: int = 0
    seconds: float = 1000.0
    loop: FolderLoop = field(init=False)

    def __post_init__(self) -> None:
        self.root.mkdir(exist_ok=True)
        self.restart()

    def restart(self) -> None:
        """Start again like a new process."""
        rules = FolderRules(
            root=self.root,
            node="test",
            note=self.town.node.settings.node.data_dir / NOTE,
            agencies=self.agencies,
            look_s=1.0,
            settle_s=SETTLE_S,
            wait_s=WAIT_S,
            batch=self.batch,
            most_in=self.most_in,
            sent_days=self.sent_days,
            error_days=self.error_days,
        )
        self.loop = FolderLoop(
            rules,
            self.town.node.out,
            self.town.node.inn,
            self.town.node.webhooks.rows.client_words,
            lambda: self.seconds,
        )

    # --- what its user does -----------------------------------------------------------------------------------

    def place(self, *names: str, code: str = "") -> Path:
        path = self.root.joinpath(code or self.code, *names)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def drop(self, name: str, raw: bytes | str = b"", code: str = "") -> Path:
        path = self.place("out", name, code=code)
        path.write_bytes(raw.encode() if isinstance(raw, str) else raw)
        return path

    def letter(self, stem: str = "15", number: str = "15", file: str = "", **fields: Any) -> None:
        """X.json and its file."""
        file = file or f"{stem}.pdf"
        self.drop(file, PDF)
        self.drop(f"{stem}.json", sidecar(number, file, **fields))

    # --- what the node does -----------------------------------------------------------------------------------

    async def look(self, after_s: float = 2.0) -> bool:
        """One step, so many seconds later."""
        self.seconds += after_s
        return await self.loop.step()

    async def settle(self, after_s: float = SETTLE_S + 1) -> None:
        """Looks, waits until all that lies there is settled, and works until there is nothing to do at once."""
        await self.look()
        self.seconds += after_s
        while await self.loop.step():
            pass

    # --- what lies where --------------------------------------------------------------------------------------

    def names(self, *steps: str, code: str = "") -> list[str]:
        """The files below, without the node's own."""
        top = self.root.joinpath(code or self.code, *steps)
        return sorted(
            str(path.relative_to(top))
            for path in top.rglob("*")
            if not path.is_dir() and not any(part.startswith(".gateway") for part in path.parts[-3:])
        )

    def sent(self) -> list[str]:
        return [name.rpartition("/")[2] for name in self.names("sent")]

    def receipt(self, stem: str, code: str = "") -> dict[str, Any]:
        (path,) = self.root.joinpath(code or self.code, "sent").rglob(f"{stem}.result.json")
        receipt: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return receipt

    def reason(self, stem: str, code: str = "") -> str:
        return self.root.joinpath(code or self.code, "error", f"{stem}.error.txt").read_text(encoding="utf-8")

    def events(self, code: str = "") -> list[dict[str, Any]]:
        path = self.root.joinpath(code or self.code, "events.ndjson")
        return (
            [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            if path.exists()
            else []
        )


def sidecar(number: str = "15", *files: str, **fields: Any) -> str:
    listed = [{"name": name, "role": "lead" if n == 0 else "appendix"} for n, name in enumerate(files)]
    return json.dumps(api.meta(**({"number": number, "files": listed} | fields)), ensure_ascii=False)


def packed(members: Mapping[str, bytes | str]) -> bytes:
    """A ZIP of these."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return out.getvalue()
