"""`python -m bench.soak.cancels --n N --kills K [--seed S] [--axis amqp] [--database postgresql]`: a storm with cancels in
the gap. Half of the kills come after a packet was published and before that is recorded; people cancel just then. Others
recall, refuse, take in and agree. In the end states, numbers, book and figures of both sides are a plain count of the rows.
Exit status 0 only then."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, FormData
from sqlalchemy import func, select
from sqlmodel import col

from bench.papers import content
from bench.soak import ground as grounds
from bench.soak import stage
from bench.soak.plan import CODES, Plan, home
from bench.soak.processes import Worker
from bench.soak.stage import Site
from bench.soak.switches import GAP
from gateway.clock import SystemClock
from gateway.deciding import agency_profile
from gateway.domain.account import AgencyScope
from gateway.domain.agency_profile import OUT_NUMBERING
from gateway.domain.event import EventKind
from gateway.store.tables import DeliveryRow, InboxRow, IncomingRow, OutboxRow
from gateway.store.tables_node import EventRow
from gateway_office.store.store import SqlOfficeStore
from tests.office.support.book_count import check_book
from tests.support.plain_count import Ours, check

_TIMEOUT = ClientTimeout(total=45, connect=5)
_AGAIN_S = 0.3
_ANSWERS: tuple[list[str], ...] = (["03"], ["03", "04", "05", "06"], ["02"], ["03", "06"], [])


@dataclass(slots=True)
class _Storm:
    plan: Plan
    sites: Mapping[str, Site]
    workers: Mapping[str, Sequence[Worker]]
    switches: Mapping[str, Path]
    session: ClientSession
    sent: dict[str, str] = field(default_factory=dict)
    """Code of the sender by document."""
    acts: Counter[str] = field(default_factory=Counter)
    tried: int = 0
    progress: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, code: str, method: str, path: str, key: str = "", **more: Any) -> tuple[int, Any]:
        """Call until there is an answer."""
        site = self.sites[home(code)]
        headers = {"Authorization": f"Bearer {site.keys[code]}"} | ({"Idempotency-Key": key} if key else {})
        make = more.pop("form", None)
        while True:
            body = more | ({"data": make()} if make else {})
            try:
                async with self.session.request(
                    method, f"{site.url}/api/v1{path}", headers=headers, timeout=_TIMEOUT, **body
                ) as response:
                    answer = json.loads(await response.read())
                    busy = response.status == 409 and answer.get("code") == "GW-IDEM-RUNNING"
                    if response.status < 500 and response.status != 429 and not busy:
                        return response.status, answer
            except (ClientError, OSError, TimeoutError, ValueError):
                self.acts["no answer"] += 1
            await asyncio.sleep(_AGAIN_S)

    async def send(self, n: int) -> None:
        """Send one document; some are cancelled at once, some recalled a while later."""
        chance = self.plan.chance(f"document {n}")
        code = chance.choice(CODES)
        to = chance.sample([c for c in CODES if c != code], chance.choice((1, 1, 2)))
        meta = {
            "external_id": f"storm-{n}",
            "symbol": "TN-BAO",
            "date": datetime.now(UTC).astimezone().date().isoformat(),
            "type": "cong_van",
            "subject": f"Thử bão {n}",
            "urgency": chance.choice(("thuong", "hoa_toc")),
            "signer": {"name": "Người Ký Mẫu"},
            "reply_required": False,
            "recipients": [{"code": c, "role": "to_act"} for c in to],
        }
        raw = content(chance.randint(2_000, 15_000), n)

        def form() -> FormData:
            fields = FormData(quote_fields=False)
            fields.add_field("meta", json.dumps(meta), content_type="application/json")
            fields.add_field("lead", raw, filename=f"{n}.pdf", content_type="application/pdf")
            return fields

        status, answer = await self.call(code, "POST", "/messages", f"send-{n}", form=form)
        self.tried += 1
        self.progress.set()
        if status != 202:
            self.acts[f"send {status} {answer.get('code')}"] += 1
            return
        self.sent[answer["id"]] = code
        draw = chance.random()
        if draw < 0.06:
            await self.cancel(answer["id"])
        elif draw < 0.18:
            await asyncio.sleep(chance.random() * 4)
            wish = {"reason": "Ban hành nhầm", "approved_by": "Nguyễn Văn Mẫu", "notice_no": f"{n}/TB"}
            wish["form"] = chance.choice(("notice", "take_back"))
            status, answer = await self.call(
                code, "POST", f"/messages/{answer['id']}/recall", f"recall-{n}", json=wish
            )
            self.acts[f"recall {status}"] += 1

    async def cancel(self, id: str) -> str:
        status, answer = await self.call(self.sent[id], "POST", f"/messages/{id}/cancel", json={})
        result = "done" if status == 200 else str(answer.get("code"))
        self.acts[f"cancel {result}"] += 1
        return result

    async def cancel_in_the_gap(self, node: str) -> None:
        """Wait until the process was killed in the gap; then cancel what this node sent last, until each is cancelled or
        surely away: while its lease lasts it is refused."""
        gap, ends_at = self.switches[node] / GAP, time.monotonic() + 3 * self.plan.lease_s
        while gap.exists() and time.monotonic() < ends_at:  # noqa: ASYNC110 - a file of another process
            await asyncio.sleep(0.05)
        ids = [id for id, code in self.sent.items() if home(code) == node][-10:]
        ends_at = time.monotonic() + 3 * self.plan.lease_s
        while ids and time.monotonic() < ends_at:
            for id in [*ids]:
                _, message = await self.call(self.sent[id], "GET", f"/messages/{id}")
                if message["state"] not in ("queued", "sending"):
                    ids.remove(id)
                elif await self.cancel(id) == "done":
                    self.acts["cancelled in the gap"] += 1
                    ids.remove(id)
            await asyncio.sleep(0.05)

    async def answer(self, code: str) -> None:
        """Be the clerk of an agency, without end."""
        chance = self.plan.chance(f"clerk {code}")
        while True:
            _, page = await self.call(code, "GET", "/inbox?lease=30&limit=6")
            for item in page.get("data", ()):
                for word in chance.choice(_ANSWERS):
                    why = {"reason": "BAD_FORM", "note": "sai"} if word == "02" else {}
                    await self.call(
                        code,
                        "POST",
                        f"/inbox/{item['id']}/status",
                        f"{item['id']}-{word}",
                        json={"code": word} | why,
                    )
                await self.call(code, "POST", f"/inbox/{item['id']}/ack", f"ack-{item['id']}", json={})
            for state in ("recall_asked", "take_back_asked"):
                _, page = await self.call(code, "GET", f"/inbox?state={state}&limit=20")
                for item in page.get("data", ()):
                    wish = {"code": chance.choice(("15", "15", "16")), "reason": "Đã xem", "note": "x"}
                    await self.call(code, "POST", f"/inbox/{item['id']}/status", json=wish)
            await asyncio.sleep(0.7)

    async def kill(self, chance: Random) -> None:
        """Kill by progress: every second time in the gap, with a person who cancels then."""
        cancelling = list[asyncio.Task[None]]()
        for n in range(self.plan.kills):
            while self.tried < 0.95 * self.plan.n * n / self.plan.kills:
                await self.progress.wait()
                self.progress.clear()
            await asyncio.sleep(chance.uniform(0.5, 3))
            node = chance.choice([*self.workers])
            if n % 2:
                chance.choice(self.workers[node]).kill()
                continue
            (self.switches[node] / GAP).touch()
            cancelling.append(asyncio.create_task(self.cancel_in_the_gap(node)))
        await asyncio.gather(*cancelling)
        for folder in self.switches.values():
            (folder / GAP).unlink(missing_ok=True)


async def _choose_numbers(store: SqlOfficeStore, site: Site) -> None:
    for agency_id in site.agencies.values():
        scope = AgencyScope(agency_id=agency_id, principal_id="storm")
        await agency_profile.choose(store, SystemClock(), scope, "Storm", OUT_NUMBERING, "B")


async def _wait_for_quiet(storm: _Storm, stores: Mapping[str, SqlOfficeStore]) -> None:
    """Wait until no row changed for as long as a lease lasts."""
    last, still = None, 0.0
    while still < 1.5 * storm.plan.lease_s:
        await asyncio.sleep(1)
        now = [await _rows(store) for store in stores.values()]
        still = still + 1 if now == last else 0.0
        last = now


async def _rows(store: SqlOfficeStore) -> object:
    tables = (DeliveryRow, IncomingRow, OutboxRow, InboxRow)
    counts = [
        select(col(table.state), func.count()).group_by(col(table.state)).order_by(col(table.state))
        for table in tables
    ]
    async with store.reading() as tx:
        return [[tuple(row) for row in await tx.tuples(query)] for query in counts]


async def storm(plan: Plan, folder: Path) -> bool:
    begun = time.monotonic()

    def say(text: object) -> None:
        print(f"{time.monotonic() - begun:7.1f} {text}", flush=True)

    async with grounds.prepared(plan, folder) as below:
        sites = await stage.prepare(below)
        stores = {node: SqlOfficeStore(site.database_url, SystemClock()) for node, site in sites.items()}
        for node, site in sites.items():
            await stores[node].open()
            await _choose_numbers(stores[node], site)
        workers = {
            node: [
                Worker(site, below.switches(node), folder / f"{node}-{n}.log", plan.chance(node), api=n == 0)
                for n in range(plan.processes)
            ]
            for node, site in sites.items()
        }
        every = [worker for group in workers.values() for worker in group]
        for worker in every:
            worker.offset = 0.0
        await asyncio.gather(*(worker.start() for worker in every))
        switches = {node: below.switches(node) for node in sites}
        async with ClientSession() as session:
            run = _Storm(plan=plan, sites=sites, workers=workers, switches=switches, session=session)
            clerks = [asyncio.create_task(run.answer(code)) for code in CODES]
            window = asyncio.Semaphore(plan.senders)

            async def send(n: int) -> None:
                async with window:
                    await run.send(n)

            killing = asyncio.create_task(run.kill(plan.chance("kills")))
            await asyncio.gather(*(send(n) for n in range(1, plan.n + 1)))
            await killing
            say(f"all sent: {len(run.sent)}, {dict(run.acts)}")
            await _wait_for_quiet(run, stores)
            say("at rest")
            for clerk in clerks:
                clerk.cancel()
        await asyncio.gather(*(worker.stop() for worker in every))
        ended = {worker.name: worker.ended_by_itself for worker in every if worker.ended_by_itself}
        say(f"ended by itself, in the gap: {ended}; starts: {sum(worker.starts for worker in every)}")
        for store in stores.values():
            while await store.number_events():
                pass
        ours = {
            code: Ours(stores[home(code)], AgencyScope(agency_id=id, principal_id="storm"))
            for site in sites.values()
            for code, id in site.agencies.items()
        }
        bad = 0
        for code, agency in ours.items():
            try:
                year = datetime.now(UTC).astimezone().year
                await check_book(agency, await check(agency, ours, year=year), year)
                say(f"{code}: states, numbers, book and figures are a plain count of the rows")
            except AssertionError as error:
                bad += 1
                say(f"{code}: {error}")
        say(
            f"left after all: {await _came_back(stores)}; cancels in the gap: {run.acts['cancelled in the gap']}"
        )
        for store in stores.values():
            await store.close()
    return bad == 0


async def _came_back(stores: Mapping[str, SqlOfficeStore]) -> int:
    total = 0
    for store in stores.values():
        async with store.reading() as tx:
            query = select(func.count()).where(col(EventRow.kind) == EventKind.MESSAGE_LEFT.value)
            total += int(await tx.scalar(query) or 0)
    return total


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak.cancels", description=__doc__)
    parser.add_argument("--n", type=int, default=300, help="documents")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1 + secrets.randbelow(10**6))
    parser.add_argument("--axis", choices=("embedded", "amqp"), default="embedded")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args(words)
    folder = Path(tempfile.mkdtemp(prefix="gateway-storm-"))
    plan = Plan(**vars(options), senders=6, lease_s=40)
    print(plan, flush=True)
    is_right = asyncio.run(storm(plan, folder))
    if is_right:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"logs are kept in {folder}")
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
