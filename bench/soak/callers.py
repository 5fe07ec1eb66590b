"""The two ends of every document: a system that sends papers and asks again under the same key until it is answered, and
one that takes documents in, gives them 03, and acknowledges them. In: papers, a client. Out: answers, in the ledger."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from random import Random
from typing import Any

from aiohttp import FormData

from bench.soak.client import Client, Unanswered
from bench.soak.ledger import Ledger, Sent
from bench.soak.papers import Paper, digest

_AGAIN_S = 1.0
_LOOK_S = 0.5
_ASKED_TWICE = 0.05  # of all papers are sent once more although they were answered
_LEASE_S = 30
_BATCH = 6


class Sender:
    """Sends every paper of a run. `may_go` tells whether so many deliveries are under way that the next must wait."""

    def __init__(
        self, client: Client, ledger: Ledger, chance: Random, may_go: Callable[[], bool], at_once: int
    ) -> None:
        self._client, self._ledger, self._chance, self._may_go = client, ledger, chance, may_go
        self._turns = asyncio.Semaphore(at_once)
        self._all_tried = asyncio.Event()
        self.tried = 0
        self.unanswered = 0

    async def all_tried(self) -> None:
        """Wait until every paper was sent at least once."""
        await self._all_tried.wait()

    async def run(self, papers: Iterator[Paper]) -> None:
        """Send the papers and wait until each has its answer."""
        async with asyncio.TaskGroup() as tasks:
            for paper in papers:
                while not self._may_go():  # noqa: ASYNC110 - it reads databases, which cannot notify us
                    await asyncio.sleep(_LOOK_S)
                # A paper that has to ask again gives its turn away meanwhile: a key may be busy for minutes.
                await self._turns.acquire()
                self.tried += 1
                self.unanswered += 1
                tasks.create_task(self._until_answered(paper, self._chance.random() < _ASKED_TWICE))
            self._all_tried.set()

    async def _until_answered(self, paper: Paper, twice: bool) -> None:
        has_turn = True
        while True:
            try:
                if not has_turn:
                    await self._turns.acquire()
                has_turn = False
                try:
                    await self._send(paper)
                    if twice:
                        await self._send(paper)
                finally:
                    self._turns.release()
                self.unanswered -= 1
                return
            except Unanswered as why:
                self._ledger.unanswered(why)
                await asyncio.sleep(_AGAIN_S)

    async def _send(self, paper: Paper) -> None:
        body = paper.body()
        status, answer = await self._client.call(
            paper.sender, "POST", "/messages", form=message_form(paper, body), key=paper.key
        )
        if status != 202:
            self._ledger.complaints.append(f"{paper.key} was refused: {status} {json.dumps(answer)[:300]}")
            return
        self._ledger.accepted(
            Sent(
                key=paper.key,
                id=answer["id"],
                sender=paper.sender,
                recipients=paper.recipients,
                name=_name(paper),
                digest=digest(body),
            )
        )


def message_form(paper: Paper, body: bytes, confirm: Sequence[str] = ()) -> FormData:
    meta: dict[str, Any] = {
        "external_id": paper.key,
        "number": str(paper.n),
        "symbol": "TN-SOAK",
        "date": (datetime.now(UTC) - timedelta(days=1)).date().isoformat(),
        "type": "cong_van",
        "subject": f"Về việc thử bền, văn bản {paper.n}",
        "urgency": "hoa_toc" if paper.urgent else "thuong",
        "signer": {"name": "Người Ký Mẫu"},
        "reply_required": False,
        "recipients": [{"code": code, "role": "to_act"} for code in paper.recipients],
    }
    if confirm:
        meta["confirm"] = list(confirm)
    form = FormData(quote_fields=False)
    form.add_field("meta", json.dumps(meta), content_type="application/json")
    form.add_field("lead", BytesIO(body), filename=_name(paper), content_type="application/pdf")
    return form


def _name(paper: Paper) -> str:
    return f"van-ban-{paper.n}.pdf"


class Clerk:
    """The document system of one receiving agency."""

    def __init__(self, client: Client, ledger: Ledger, code: str) -> None:
        self._client, self._ledger, self._code = client, ledger, code

    async def run(self) -> None:
        """Take documents in until it is cancelled."""
        while True:
            try:
                _, page = await self._client.call(
                    self._code, "GET", f"/inbox?lease={_LEASE_S}&limit={_BATCH}"
                )
                await asyncio.gather(*(self._take_in(item) for item in page["data"]))
                if not page["data"]:
                    await asyncio.sleep(_LOOK_S)
            except Unanswered as why:
                self._ledger.unanswered(why)
                await asyncio.sleep(_AGAIN_S)

    async def _take_in(self, item: dict[str, Any]) -> None:
        """Take in one document, the number first: if the system fails between the two, it is offered again."""
        id = item["id"]
        status, answer = await self._client.call(
            self._code, "POST", f"/inbox/{id}/status", body={"code": "03"}
        )
        if status != 200:
            self._ledger.complaints.append(f"{self._code} {id}: 03 was refused: {status} {answer}")
        else:
            self._ledger.numbered(self._code, id, answer["register_no"])
        await self._client.call(self._code, "POST", f"/inbox/{id}/ack", body={})
