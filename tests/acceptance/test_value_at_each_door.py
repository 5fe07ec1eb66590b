"""The table of legal values at each door (R19, two signatures): for whose seal and which person stand on a file, and whom
the header names, the API, the page, the folder, the command, the library of the national axis and an arrival say the
same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from gateway.cli import send as command
from gateway.cli.command import Invocation
from gateway.cli.node import CommandContext
from gateway.domain.account import AgencyScope
from gateway.domain.document import FileRole, Signer
from gateway.edxml.envelope import SignerInfo
from gateway.errors import Refused
from gateway.outgoing import drafting, manage
from gateway.outgoing.intake import Order, receive_files
from gateway.policy.verdict import Verdict
from gateway_labs.demo import stage
from tests.interop import edxml_files
from tests.support import pdf_pki, pdfs
from tests.support.api import COMMUNE, DEPARTMENT, PROVINCE, form, meta
from tests.support.cases import Cases
from tests.support.folder import Desk, sidecar
from tests.support.packets import document, draft
from tests.support.pdf_pki import Holder, root
from tests.support.seals import person_of, register, right_of, seal_of
from tests.support.town.doors import SYSTEM, VxpDoor, open_vxp_door

PARENT, OTHER = "Z91.01", "Z91.02"
SIGNATORY, STRANGER = (
    Signer(name="Người Ký Mẫu", title="Phó Giám đốc"),
    Signer(name="Trần Giả Mạo", title="Chủ tịch"),
)
SEALS = {
    "own": root().issue("Sở Mẫu", agency=True),
    "entitled": root().issue("Ủy ban Mẫu", agency=True),
    "other": root().issue("Sở Khác", agency=True),
    "unknown": root().issue("Sở Lạ", agency=True),
    "unregistered": root().issue("Xã Mẫu", agency=True),
    "none": None,
}
PERSONS = {
    "known": root().issue("Người Ký Mẫu"),
    "unknown": root().issue("Người Chưa Đăng Ký"),
    "ended": root().issue("Người Đã Nghỉ"),
    "foreign": root().issue("Người Nơi Khác"),
    "none": None,
}
# Questions that the sender is asked, by the person of a document with a right seal.
QUESTIONS = {"unknown": "signatory-unknown", "ended": "signatory-ended", "foreign": "signatory-ended"}
VALUES = {"known": "official", "unknown": "official-unproved"}
# Seals with which a document does not leave.
REFUSED = {"other": "seal-other", "unknown": "seal-unknown", "none": "unsigned-lead"}
# The folder names the codes of questions, and says why it refuses.
FOLDER_WORDS = {
    "seal-other": "là dấu của",
    "seal-unknown": "không phải mẫu dấu đang có hiệu lực",
    "unsigned-lead": "chưa có chữ ký số hợp lệ",
}
SAMPLE = [
    ("own", "known", "same"),
    ("own", "unknown", "same"),
    ("own", "ended", "same"),
    ("own", "known", "other"),
]
ALL = [(seal, person, "same") for seal in SEALS for person in PERSONS]
ALL += [(seal, "known", header) for seal in ("own", "entitled") for header in ("other", "absent")]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of the table; `pdf` makes a file of its own for each door, and `number` a number."""

    seal: str
    person: str
    header: str
    number: str
    pdf: bytes

    @property
    def sender(self) -> str:
        """The commune has registered no seal."""
        return COMMUNE if self.seal == "unregistered" else DEPARTMENT

    @property
    def signer(self) -> Signer | None:
        return {"same": SIGNATORY, "other": STRANGER, "absent": None}[self.header]

    @property
    def value(self) -> str | None:
        if self.seal == "unregistered":
            return None if self.person in VALUES else "information"
        if self.seal in REFUSED:
            return "information"
        return "official-unproved" if self.header == "other" else VALUES.get(self.person, "information")

    @property
    def refusal(self) -> str:
        return REFUSED.get(self.seal, "")

    @property
    def question(self) -> str:
        if self.seal not in ("own", "entitled"):
            return ""
        return "signer-other" if self.header == "other" else QUESTIONS.get(self.person, "")


@dataclass(kw_only=True)
class Place:
    """A node with all its doors. What a door says is (codes against it, the value of what was sent)."""

    door: VxpDoor
    folder: Path
    desks: dict[str, Desk] = field(default_factory=dict)

    async def scope(self, code: str) -> AgencyScope:
        return await self.door.api.town.scope(code)

    def meta(self, case: Case, confirm: Sequence[str]) -> dict[str, object]:
        signer = case.signer
        stated = {"name": signer.name, "title": signer.title} if signer else None
        return meta(number=case.number, signer=stated, confirm=[*confirm])

    async def over_the_api(self, case: Case, confirm: Sequence[str]) -> tuple[set[str], str | None]:
        body = form(self.meta(case, confirm), [("lead", "15.pdf", case.pdf)])
        once = f"{case.number}-{len(confirm)}"
        answer = await self.door.api.ask("POST", "/messages", agency=case.sender, once=once, data=body)
        if answer.status == 422:
            return {error["code"] for error in answer.json["errors"]}, None
        assert answer.status == 202, str(answer)
        sent = await self.door.api.ask("GET", f"/messages/{answer.json['id']}", agency=case.sender)
        return set(), sent.json["legal_value"]

    async def at_the_command_line(self, case: Case, confirm: Sequence[str]) -> tuple[set[str], str | None]:
        (self.folder / "meta.json").write_text(json.dumps(self.meta(case, ())))
        (self.folder / "15.pdf").write_bytes(case.pdf)
        agency = await self.door.node.store.accounts.hosted_by_code(case.sender)
        assert agency is not None
        message = command.read_message(self.folder / "meta.json", {})
        order = Order(draft=message.to_draft(), confirm=tuple(confirm))
        context = CommandContext(node=self.door.node, agency=agency, scope=await self.scope(case.sender))
        try:
            files = [self.folder / "15.pdf"]
            accepted = await command.hand_in(Invocation(quiet=True), context, order, files, [])
        except Refused as refused:
            return _codes(refused), None
        assert accepted is not None
        assert accepted.document is not None
        return set(), accepted.document.legal_value

    async def on_the_page(self, case: Case, confirm: Sequence[str]) -> tuple[set[str], str | None]:
        """Make a draft, check and send it, as the buttons of the page do."""
        out, scope = self.door.node.out, await self.scope(case.sender)
        letter = replace(draft(case.number, PROVINCE), signer=case.signer)
        begun = await drafting.begin(out, scope, letter)
        async with receive_files(out) as request_files:
            await request_files.add("lead", "15.pdf", FileRole.LEAD, _pieces(case.pdf))
            stored = await drafting.add_files(out, scope, begun.id, request_files)
        try:
            sent = await manage.send_draft(out, scope, stored.id, confirm=tuple(confirm))
        except Refused as refused:
            return _codes(refused), None
        return set(), sent.legal_value

    async def in_the_folder(self, case: Case, confirm: Sequence[str]) -> tuple[set[str], str | None]:
        desk = self.desks.setdefault(case.sender, self._desk(case.sender))
        stem = f"{case.number}-{len(confirm)}"
        fields = {"signer": None} | self.meta(case, confirm)
        del fields["number"]
        desk.drop(f"{stem}.pdf", case.pdf)
        desk.drop(f"{stem}.json", sidecar(case.number, f"{stem}.pdf", **fields))
        await desk.settle()
        if f"{stem}.error.txt" in desk.names("error"):
            reason = desk.reason(stem)
            question_codes = {code for code in (*QUESTIONS.values(), "signer-other") if code in reason}
            return question_codes | {code for code, words in FOLDER_WORDS.items() if words in reason}, None
        async with self.door.node.store.read(await self.scope(case.sender)) as work:
            sent = await work.outgoing.get(desk.receipt(stem)["id"])
        return set(), sent.legal_value

    def _desk(self, code: str) -> Desk:
        agencies = frozenset({code.casefold()})
        return Desk(town=self.door.api.town, root=self.folder / f"desk-{code}", code=code, agencies=agencies)

    async def by_the_library(self, case: Case) -> tuple[str, str | None]:
        """Return the words of the refusal, and the value of what was sent."""
        file = edxml_files.document(case.sender, [PROVINCE], [("a.pdf", case.pdf)], number=case.number)
        if case.signer is STRANGER:
            file = file.replace(SIGNATORY.name.encode(), STRANGER.name.encode())
        answer = await self.door.send(file, case.sender)
        if answer["status"] != "OK":
            return str(answer["ErrorDesc"]), None
        sent = await self.door.api.ask("GET", f"/messages/{answer['DocId']}", agency=case.sender)
        return "", sent.json["legal_value"]

    async def on_arrival(self, case: Case) -> tuple[str | None, dict[str, str], tuple[str, ...]]:
        """Bring the document in as a node without these rules would send it."""
        town, files = self.door.api.town, ((f"{case.number}.pdf", case.pdf),)
        info = SignerInfo(full_name=case.signer.name, position=case.signer.title) if case.signer else None
        model = document(case.number, files, sender=case.sender, signer=info)
        row = await town.brought(town.forge(model, files, id=f"forged-{case.number}"))
        assert row.incoming_id is not None, (row.state, row.code, row.reason)
        async with town.node.store.read(await self.scope(PROVINCE)) as work:
            letter = await work.incoming.get(row.incoming_id)
        return letter.legal_value, letter.checks, letter.marks


Out = Callable[[Case, Sequence[str]], Awaitable[tuple[set[str], str | None]]]


@pytest.fixture
async def place(blank_node: Path, tmp_path: Path) -> AsyncIterator[Place]:
    pdf_pki.folder(stage.settings_for(tmp_path / "node").trust.folder / "pdf")
    async with open_vxp_door(blank_node, tmp_path / "node") as door:
        await door.system(SYSTEM, (DEPARTMENT, COMMUNE))
        own, entitled, other = (_holder(SEALS, name) for name in ("own", "entitled", "other"))
        known_person, ended, foreign = (_holder(PERSONS, name) for name in ("known", "ended", "foreign"))
        yesterday = door.node.clock.now() - timedelta(days=1)
        await register(
            door.node.deciding,
            *(seal_of(DEPARTMENT, own), seal_of(PARENT, entitled), seal_of(OTHER, other)),
            *(right_of(PARENT, DEPARTMENT), person_of(OTHER, foreign)),
            *(person_of(code, known_person) for code in (DEPARTMENT, COMMUNE)),
            *(person_of(code, ended, valid_to=yesterday) for code in (DEPARTMENT, COMMUNE)),
        )
        yield Place(door=door, folder=tmp_path)


@pytest.mark.parametrize(
    "rows", [pytest.param(SAMPLE, id="sample"), pytest.param(ALL, marks=pytest.mark.long, id="whole")]
)
@pytest.mark.timeout(1800)
async def test_each_row_of_the_table_is_told_alike_at_each_door(
    place: Place, cases: Cases, rows: Sequence[tuple[str, str, str]]
) -> None:
    doors: tuple[Out, ...] = (
        place.over_the_api,
        place.on_the_page,
        place.in_the_folder,
        place.at_the_command_line,
    )
    numbers = iter(range(100, 100_000))
    for seal, person, header in rows:
        make = partial(_case, seal, person, header)
        for door in doors:
            with cases.case(f"{seal} × {person} × {header}: {door.__name__}"):
                await _try_to_send(door, await make(str(next(numbers))))
        with cases.case(f"{seal} × {person} × {header}: library"):
            case = await make(str(next(numbers)))
            words, value = await place.by_the_library(case)
            # A header without a name is the library's own matter; an unregistered person is only noted.
            is_refused = bool(case.refusal) or case.question in ("signatory-ended", "signer-other")
            assert (bool(words), value) == (is_refused, None if is_refused else case.value), words
        with cases.case(f"{seal} × {person} × {header}: arrival"):
            case = await make(str(next(numbers)))
            value, checks, marks = await place.on_arrival(case)
            assert value == case.value
            assert checks.get("seal") == (None if seal == "none" else seal)
            assert checks.get("signatory") == (None if person == "none" else person)
            assert ("signer_other" in marks) == (checks.get("signer") == "other") == (header == "other")


async def _try_to_send(door: Out, case: Case) -> None:
    """Expect a refusal, or a question that is confirmed, or nothing; and the value of what left."""
    codes, value = await door(case, ())
    if case.refusal:
        assert (codes, value) == ({case.refusal}, None)
        return
    assert codes == ({case.question} if case.question else set())
    if case.question:
        codes, value = await door(case, (case.question,))
    assert (codes, value) == (set(), case.value)


async def _case(seal: str, person: str, header: str, number: str) -> Case:
    def signed() -> bytes:
        pdf = pdfs.plain(f"Van ban {number}")
        for holder, name in ((PERSONS[person], "NguoiKy"), (SEALS[seal], "CoQuan")):
            pdf = pdfs.sign(pdf, holder, name) if holder is not None else pdf
        return pdf

    pdf = await asyncio.to_thread(signed)
    return Case(seal=seal, person=person, header=header, number=number, pdf=pdf)


def _codes(refused: Refused) -> set[str]:
    assert isinstance(refused.verdict, Verdict)
    return {reason.code.value for reason in refused.verdict.reasons}


async def _pieces(raw: bytes) -> AsyncIterator[bytes]:
    yield raw


def _holder(table: dict[str, Holder | None], name: str) -> Holder:
    holder = table[name]
    assert holder is not None
    return holder
