"""Words that the dialect has no field for and that must arrive (verification.md W6a): a role, a reply wanted without a day,
the hour of an express letter, paper that follows; and the arrival number on its way back. Two nodes that share nothing
but an axis, then one node stepped by hand for what another system may send."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData
from aiohttp.test_utils import TestClient, TestServer

from bench.soak import stage
from bench.soak.ground import prepared
from bench.soak.plan import Plan
from gateway.cli.applications import build_application
from gateway.domain.document import DeliveryMode, RecipientRole, Urgency
from gateway.domain.proof import Terms
from gateway.domain.wall_clock import VIETNAM
from gateway.edxml.envelope import Business, OtherInfo
from gateway.incoming.settle import MARK_TERMS
from gateway.ops.checks import Watch
from gateway_office.bootstrap.office import Office, open_office
from gateway_office.domain.roles import PostRole
from gateway_office.web.page_handling import COOKIE
from tests.long.acceptance.test_cli import run_command
from tests.office.support import accounts
from tests.office.support.node import (
    DEPARTMENT,
    PDF,
    PROVINCE,
    OfficeTown,
    document,
    receipt_for,
    status_about,
)
from tests.support import people
from tests.support.waiting import wait_until

SENDER, RECEIVER, OTHER = "Z91", "Z92", "Z92.01"
HOUR = (datetime.now(VIETNAM) + timedelta(days=1)).replace(minute=30, second=0, microsecond=0)
FILES = (("van-ban.pdf", PDF),)


@dataclass(frozen=True, kw_only=True)
class CommandContext:
    """One node at work, as its document system, its clerk and its terminal have it."""

    node: Office
    site: stage.Site
    client: TestClient[Any, Any]
    config: Path

    async def call(self, code: str, method: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.site.keys[code]}"} | more.pop("headers", {})
        async with self.client.request(method, f"/api/v1{path}", headers=headers, **more) as answer:
            answer_json = await answer.json(content_type=None)
            assert answer.status < 300, answer_json
            return answer_json

    async def read(self, path: str, token: str) -> str:
        async with self.client.get(path, headers={"Cookie": f"{COOKIE}={token}"}) as answer:
            assert answer.status == 200
            return await answer.text()

    async def type(self, code: str, *words: str) -> str:
        line: tuple[str | Path, ...] = ("--config", self.config, "--agency", code, "--lang", "vi", *words)
        command = await asyncio.to_thread(run_command, *line)
        assert command.code == 0, command.err
        return command.out

    async def clerk(self, code: str) -> str:
        """Add a clerk of that agency and return the token of a new session."""
        services, agency = self.node.accounts, self.site.agencies[code]
        post = accounts.post(PostRole.CLERK, agency)
        someone = await accounts.someone(services, accounts.MACHINE, f"clerk-{code.lower()}", post)
        return (await someone.enters()).token


@asynccontextmanager
async def contexts(folder: Path) -> AsyncIterator[dict[str, CommandContext]]:
    """Open two nodes, each with its own database, keys and workers; the axis is all that they share."""
    plan = Plan(n=1, kills=0, seed=1)
    async with prepared(plan, folder) as ground, AsyncExitStack() as stack:
        sites = await stage.prepare(ground)
        contexts_by_name = {}
        for name, site in sites.items():
            node = await stack.enter_async_context(open_office(site.settings))
            server = TestServer(build_application(node, Watch(node=node)))
            client = await stack.enter_async_context(TestClient(server))
            config = folder / f"{name}.toml"
            data, axis = site.settings.node.data_dir, folder / "axis"
            config.write_text(
                f'[node]\nname = "{name}"\ndata_dir = "{data}"\n[axis]\nfolder = "{axis}"\n', encoding="utf-8"
            )
            contexts_by_name[name] = CommandContext(node=node, site=site, client=client, config=config)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for context in contexts_by_name.values():
                tasks.create_task(context.node.run_workers(stop))
            try:
                yield contexts_by_name
            finally:
                stop.set()


async def _send(context: CommandContext) -> dict[str, Any]:
    meta = {
        "number": "15",
        "symbol": "STD-VP",
        "date": context.node.out.today().isoformat(),
        "type": "cong_van",
        "subject": "Về việc báo cáo dự toán",
        "signer": {"name": "Nguyễn Văn Mẫu"},
        "urgency": "hoa_toc_hen_gio",
        "due_at": HOUR.isoformat(),
        "reply_required": True,
        "delivery_mode": "both",
        "recipients": [{"code": OTHER, "role": "to_know"}, {"code": RECEIVER, "role": "to_coordinate"}],
    }
    form = FormData(quote_fields=False)
    form.add_field("meta", json.dumps(meta), content_type="application/json")
    form.add_field("lead", io.BytesIO(PDF), filename="15.pdf")
    message: dict[str, Any] = await context.call(
        SENDER, "POST", "/messages", data=form, headers={"Idempotency-Key": "15"}
    )
    return message


@pytest.mark.timeout(180)
async def test_role_reply_hour_and_paper_are_seen_at_the_other_node_and_the_arrival_number_comes_back(
    tmp_path: Path,
) -> None:
    with people.cheap():
        async with contexts(tmp_path) as nodes:
            north, south = nodes["north"], nodes["south"]
            sent = await _send(north)

            async def item_of(code: str = RECEIVER) -> Any:
                return (await south.call(code, "GET", "/inbox"))["data"]

            (item,), (other,) = (
                await wait_until(item_of, "the document"),
                await wait_until(lambda: item_of(OTHER), "the other one"),
            )
            page = await south.read(f"/van-ban-den/{item['id']}", await south.clerk(RECEIVER))
            page_text = await south.type(RECEIVER, "inbox", "show", item["id"])
            as_json = json.loads(await south.type(RECEIVER, "inbox", "show", item["id"], "-o", "json"))

            assert (item["role"], other["role"]) == ("to_coordinate", "to_know")
            assert (item["reply_required"], item["reply_due"]) == (True, None)
            assert (item["urgency"], item["due_at"]) == ("hoa_toc_hen_gio", HOUR.isoformat())
            assert item["delivery_mode"] == "both"
            assert as_json["due_at"] == item["due_at"]
            for text in (
                "Để phối hợp",
                "Phải phản hồi ý kiến",
                f"{HOUR:%H:%M %d/%m/%Y}",
                "Điện tử và bản giấy",
            ):
                assert text in page, text
            for text in (
                "Để phối hợp",
                "Phải phản hồi ý kiến",
                f"{HOUR:%d/%m/%Y %H:%M}",
                "Điện tử và bản giấy",
            ):
                assert text in page_text, text

            status = await south.call(
                RECEIVER, "POST", f"/inbox/{item['id']}/status", json={"code": "03", "note": "Đã vào sổ"}
            )

            async def numbered() -> Any:
                message = await north.call(SENDER, "GET", f"/messages/{sent['id']}")
                recipient_row = next(x for x in message["recipients"] if x["code"] == RECEIVER)
                return recipient_row if recipient_row["register_no"] else None

            recipient = await wait_until(numbered, "the arrival number")
            page = await north.read(f"/van-ban-di/{sent['id']}", await north.clerk(SENDER))
            page_text = await north.type(SENDER, "outbox", "show", sent["id"])

            year = datetime.now(VIETNAM).year
            assert (recipient["register_no"], recipient["register_year"]) == (status["register_no"], year)
            assert f"Số đến {status['register_no']}/{year}" in page
            assert f"Số đến {status['register_no']}/{year}" in page_text


async def test_paper_1_without_terms_says_that_paper_follows_and_0_says_nothing(town: OfficeTown) -> None:
    paper = Business(doc_type=0, paper=1)
    await town.brought(town.forge(document("200", FILES, business=paper), FILES))
    await town.brought(town.forge(document("201", FILES), FILES))

    docs = {d.number: d for d in await town.incoming()}

    assert (docs["200"].delivery_mode, docs["201"].delivery_mode) == (DeliveryMode.BOTH, None)
    assert (docs["200"].role, docs["200"].reply_required, docs["200"].due_at) == (None, None, None)


async def test_a_day_for_the_answer_wants_one_unless_its_sender_says_no(town: OfficeTown) -> None:
    model = document("200", FILES, due_date=town.node.out.today())
    other = document("201", FILES, due_date=town.node.out.today())
    await town.brought(town.forge(model, FILES))
    await town.brought(town.forge(other, FILES, terms=Terms(reply_required=False)))

    reply_by_number = {d.number: d.reply_required for d in await town.incoming()}

    assert reply_by_number == {"200": True, "201": False}


async def test_a5_whoever_is_known_by_an_alias_reads_the_row_of_that_code(town: OfficeTown) -> None:
    alias = (await town.agency(PROVINCE)).aliases[0]
    model = document("200", FILES, to=("Z95", alias))
    terms = Terms(roles=(("Z95", RecipientRole.TO_ACT), (alias, RecipientRole.TO_KNOW)))
    await town.brought(town.forge(model, FILES, terms=terms))

    assert (await town.only()).role is RecipientRole.TO_KNOW


async def test_a4_a_repeat_with_other_terms_is_a_repeat_and_the_first_terms_stand(town: OfficeTown) -> None:
    model = document("200", FILES)
    await town.brought(town.forge(model, FILES, id="pkt-1", terms=Terms(reply_required=True)))
    same = await town.brought(town.forge(model, FILES, id="pkt-1", terms=Terms(reply_required=True)))
    alike = await town.only()
    other = await town.brought(town.forge(model, FILES, id="pkt-1", terms=Terms(reply_required=False)))

    received = await town.only()

    assert (same.state, other.state, other.code) == ("done", "done", "MSG-REPEAT")
    assert received.reply_required is True
    assert MARK_TERMS not in alike.marks
    assert MARK_TERMS in received.marks
    assert "khác lần đầu" in (other.reason or "")


async def test_a_packet_that_contradicts_its_terms_is_quarantined(town: OfficeTown) -> None:
    packet = town.forge(document("200", FILES), FILES)
    model = document("201", FILES, other=OtherInfo(priority=4))
    timed = town.forge(model, FILES, terms=Terms(due_at=HOUR))
    raw = timed.raw.replace(b"<edXML:Priority>4", b"<edXML:Priority>3")

    row = await town.brought(replace(timed, raw=raw))
    good = await town.brought(packet)

    assert (row.state, row.code) == ("quarantined", "SIG-DIGEST")
    assert good.state == "done"


async def test_an_update_that_says_nothing_keeps_the_earlier_terms(town: OfficeTown) -> None:
    sent = await town.send(
        "15", reply_required=True, urgency=Urgency.TIMED_EXPRESS, due_at=datetime(2026, 11, 21, 2, tzinfo=UTC)
    )
    await town.carry()
    old = await town.only()

    await town.update(sent, "Nội dung đã sửa")
    await town.carry()
    request = next(x for x in await town.incoming() if x.target_id)
    await town.status(request, "15")

    new = next(x for x in await town.incoming() if x.id == old.id)
    assert new.subject == "Nội dung đã sửa"
    assert (old.reply_required, old.due_at) == (True, datetime(2026, 11, 21, 2, tzinfo=UTC))
    assert (new.reply_required, new.due_at) == (False, None)  # the update of a plain document says so
    assert new.role is old.role is RecipientRole.TO_ACT


async def test_the_arrival_number_of_a_proved_03_stands_at_its_delivery(town: OfficeTown) -> None:
    sent = await town.send("15")
    await town.carry()
    stored = await town.document(sent)
    model = status_about("03", sent.document_id)
    terms = Terms(register_no="77", register_year=2026)
    await town.brought(
        town.forge(model, id="st-1", receipt=receipt_for(stored, "03"), terms=terms), DEPARTMENT
    )

    delivery = await town.delivery(sent)

    assert (delivery.register_no, delivery.register_year, delivery.state) == ("77", 2026, "accepted")
