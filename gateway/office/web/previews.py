"""What a file of codes would change, kept between its preview and its application: what was shown is what is applied.
Each for its session alone, for an hour. The file is kept for every process of the node; its plan only in the memory of
this one, as planning takes a while, and another process plans anew: where that comes to something else, the preview is
gone."""

from __future__ import annotations

import json
import secrets
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway.domain.registry_change import Plan
from gateway.office.ports.keepings import Keeping, Keepings
from gateway.policy import code_columns
from gateway.policy.code_file import CodeFile, Form
from gateway.policy.legacy_text import Letters
from gateway.ports import Pool

KEPT = timedelta(hours=1)
_MOST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """`headings` are the columns as the file names them, `columns` what each was taken for; empty is left out. `read` says
    what the file was; its content is the table that was read, `whole` the same under the registry's own columns."""

    name: str
    headings: tuple[str, ...]
    columns: tuple[str, ...]
    plan: Plan = field(repr=False)
    read: CodeFile = field(repr=False)
    whole: bytes = field(repr=False)
    at: datetime
    session_id: str


@dataclass(kw_only=True)
class Previews:
    """`planned` asks the registry what a file would change now."""

    keepings: Keepings
    planned: Callable[[bytes], Awaitable[Plan]]
    pool: Pool
    _near: OrderedDict[str, Preview] = field(default_factory=OrderedDict)

    async def keep(self, preview: Preview) -> str:
        key, until = secrets.token_urlsafe(12), preview.at + KEPT
        body = await self.pool.run(lambda: _written(preview))
        await self.keepings.keep(
            Keeping(key=key, session_id=preview.session_id, body=body, at=preview.at, until=until)
        )
        self._remember(key, preview)
        return key

    async def find(self, key: str, session_id: str, now: datetime) -> Preview | None:
        body = await self.keepings.find(key, session_id, now)
        if body is None:
            self._near.pop(key, None)
            return None
        if key in self._near:
            return self._near[key]
        told, read, whole = await self.pool.run(lambda: _read(body))
        plan = await self.planned(whole)
        if plan.effect != told["effect"]:
            return None
        found = Preview(
            name=told["name"],
            headings=tuple(told["headings"]),
            columns=tuple(told["columns"]),
            plan=plan,
            read=read,
            whole=whole,
            at=now,
            session_id=session_id,
        )
        self._remember(key, found)
        return found

    async def forget(self, key: str) -> None:
        self._near.pop(key, None)
        await self.keepings.forget(key)

    def _remember(self, key: str, preview: Preview) -> None:
        self._near[key] = preview
        while len(self._near) > _MOST:
            self._near.popitem(last=False)


def _written(preview: Preview) -> bytes:
    read = preview.read
    told = {
        "name": preview.name,
        "headings": preview.headings,
        "columns": preview.columns,
        "effect": preview.plan.effect,
        "form": read.form,
        "csv": read.csv.decode(),
        "letters": read.letters,
        "samples": read.samples,
        "formulas": read.formulas,
    }
    return zlib.compress(json.dumps(told, ensure_ascii=False).encode(), 1)


def _read(body: bytes) -> tuple[dict[str, Any], CodeFile, bytes]:  # Any: JSON that `_written` wrote
    told = json.loads(zlib.decompress(body))
    read = CodeFile(
        form=Form(told["form"]),
        csv=told["csv"].encode(),
        letters=Letters(told["letters"]) if told["letters"] else None,
        samples=tuple((before, after) for before, after in told["samples"]),
        formulas=told["formulas"],
    )
    return told, read, code_columns.rewritten(read.csv, told["columns"])
