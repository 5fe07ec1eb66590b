"""Files that are brought to a new document. Reads its form as it comes: the fields, and files streamed piece by piece
into the tray; and fills the draft from the signed PDF that was brought as its lead file. In: a request and an open
tray. Out: the fields, and what is wrong with files; the draft with fields that were empty, where whatever was read
and is not sure, or speaks against what was typed, stays marked until a person has confirmed it. A file that may not
pass is read to its end but kept nowhere, so that what was typed is not lost; a body that goes far past every limit
is cut off. Nothing that was typed is overwritten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from aiohttp import BodyPartReader, web
from aiohttp.http import HttpProcessingError

from gateway.domain.document import Draft, FileItem, FileRole, Kind, OutgoingDocument, Signer
from gateway.domain.pdf import PdfFields, Sure
from gateway.domain.registry import OfferKind
from gateway.errors import BadForm, GatewayError, Refused, ScannerDown
from gateway.office.book import books
from gateway.office.letters import habits
from gateway.office.web import forms
from gateway.office.web.forms import Form
from gateway.office.web.pages.compose import addressing, fields
from gateway.office.web.visits import Visit
from gateway.outgoing import drafting
from gateway.outgoing.addressing import ReadDocument, read_document
from gateway.outgoing.intake import Tray
from gateway.policy import door
from gateway.policy import outgoing as rules
from gateway.words import labels

_UPLOAD_S = 600.0
_MOST_PARTS = 10_000
ANY = "files"
"""The field whose files are of the role that their names tell."""
_WRITTEN_IN = frozenset({"doc", "docx", "odt", "rtf"})
_PLAIN = frozenset({"", "binary", "8bit", "7bit"})


@dataclass(slots=True)
class Brought:
    """What the form brought. `refused` are errors about single files; `doubled` the names of those that the document has
    already, under whatever name."""

    form: Form = field(default_factory=Form)
    refused: list[GatewayError] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)


async def read_form(visit: Visit, tray: Tray, there: Sequence[FileItem] = ()) -> Brought:
    """The whole form, for a document that has those files. BadForm where it is none, or takes too long."""
    try:
        async with asyncio.timeout(_UPLOAD_S):
            with _as_form():
                return await _read_parts(visit, tray, there)
    except TimeoutError as why:
        raise BadForm("the form took too long to come", code="GW-FORM-TIME") from why


async def _read_parts(visit: Visit, tray: Tray, there: Sequence[FileItem]) -> Brought:
    fields: dict[str, list[str]] = {}
    brought, left, count = Brought(), forms.FORM_BYTES, 0
    async for part in forms.parts(visit.request, visit.token):
        count += 1
        if count > _MOST_PARTS:
            raise BadForm(f"a form may have {_MOST_PARTS} fields", code="GW-FORM-SIZE")
        name = part.name or ""
        if part.filename is None:
            text = await forms.short(part, left)
            left -= len(text.encode())
            fields.setdefault(name, []).append(text)
        elif part.filename:
            await _take_part(part, name, tray, fields, brought, there)
        else:
            await _drop_part(part, tray)
    brought.form = Form(MappingProxyType({name: tuple(each) for name, each in fields.items()}))
    return brought


async def _take_part(
    part: BodyPartReader,
    field: str,
    tray: Tray,
    fields: Mapping[str, list[str]],
    brought: Brought,
    there: Sequence[FileItem],
) -> None:
    if field != ANY and field not in tuple(FileRole):
        raise BadForm("this form brings no such file")
    try:
        # What is declared stands before the files: of a secret nothing may touch the disk (R2).
        tray.declare(Draft(secrecy=(fields.get("secrecy") or ["none"])[0]))
        name, known = file_name(part), [*there, *(each.item for each in tray.received)]
        role = role_of(name, [each.role for each in known]) if field == ANY else FileRole(field)
        came = (await tray.add(field, name, role, chunks(part))).item
    except (Refused, ScannerDown, BadForm) as why:
        brought.refused.append(why)
        await _drop_part(part, tray)
        return
    if any(each.sha256 == came.sha256 for each in known):
        tray.received.pop()
        tray.total -= came.size
        brought.doubled.append(came.name)


def role_of(name: str, there: Collection[FileRole]) -> FileRole:
    """Of a file that was dropped among others: the first PDF is the document, what it was written in its source."""
    ending = name.rpartition(".")[2].casefold()
    if ending == "pdf" and FileRole.LEAD not in there:
        return FileRole.LEAD
    return FileRole.SOURCE if ending in _WRITTEN_IN else FileRole.APPENDIX


def file_name(part: BodyPartReader) -> str:
    """In NFC; control characters have no honest use in a name (threats.md 77)."""
    name = door.meant_name(part.headers.get("Content-Disposition", ""), part.filename)
    if name is None:
        raise BadForm("the name of a file cannot be read", code="GW-FORM-NAME")
    return name


async def chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    """The bytes of a part, as they are: not packed and not encoded a second time."""
    coding = part.headers.get("Content-Transfer-Encoding", "").strip().lower()
    packed = part.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in _PLAIN or packed != "identity":
        raise BadForm("a file comes as its bytes, without an encoding of its own")
    while not part.at_eof():
        if chunk := await part.read_chunk():
            yield chunk


async def _drop_part(part: BodyPartReader, tray: Tray) -> None:
    limit = 4 * tray.desk.profile.max_document_bytes
    while not part.at_eof():
        tray.total += len(await part.read_chunk())
        if tray.total > limit:
            raise BadForm("far more was sent than a document may have", code="GW-FORM-SIZE")


@contextmanager
def _as_form() -> Iterator[None]:
    """What the server's reader raises for a body that is not multipart, or is cut off."""
    try:
        yield
    except (ValueError, HttpProcessingError, web.RequestPayloadError, ConnectionError, RuntimeWarning) as why:
        raise BadForm("the form could not be read to its end") from why


_COMPARED = ("number", "symbol", "issued_on", "pages")


async def read_lead(visit: Visit, held: Tray) -> ReadDocument | None:
    """What the lead file among them says, while it is still there to be read; None where there is none, or it is no PDF
    that could be sent."""
    lead = next((each for each in held.received if each.item.role is FileRole.LEAD), None)
    if lead is None:
        return None
    alone = Tray(desk=held.desk, stack=held.stack, received=[lead])
    try:
        return await read_document(visit.deps.out, visit.deps.registry, visit.scope(), alone)
    except Refused:
        # What is wrong with it is said when it is taken in, or checked.
        return None


async def fill_draft(visit: Visit, stored: OutgoingDocument, found: ReadDocument) -> str:
    """The key of what is told afterwards."""
    draft, doubts, filled = filled_draft(stored.draft, found.fields)
    if not draft.recipients and found.offers:
        recipients, _ = await addressing.offered(visit, (), found.offers)
        draft = replace(draft, recipients=recipients)
        filled.add("recipients")
        if any(each.kind is OfferKind.POINTER for each in found.offers):
            doubts["recipients"] = "pointer"
        elif found.fields.recipients.sure is not Sure.SURE:
            doubts["recipients"] = found.fields.recipients.why or ""
    told = filling_told(stored.draft, draft, doubts)
    draft = await _completed(visit, stored, draft, doubts)
    earlier = {name: why for name, why in stored.doubts if name not in doubts}
    kept = {"doubts": tuple({**earlier, **doubts}.items()), "from_file": sorted({*stored.from_file, *filled})}
    await save_over(visit, stored, draft, **kept)
    return told


async def save_over(
    visit: Visit, stored: OutgoingDocument, draft: Draft, **other: Any
) -> OutgoingDocument:  # Any: other fields of what is kept beside a draft
    """That draft in place of the stored one, unless somebody was quicker; what is kept beside it stays, or is the other."""
    kept = {"change": stored.change, "doubts": stored.doubts, "from_file": stored.from_file, **other}
    out, scope = visit.deps.out, visit.scope()
    return await drafting.save(out, scope, stored.id, draft, expect_version=stored.version, **kept)


async def _completed(visit: Visit, stored: OutgoingDocument, draft: Draft, doubts: dict[str, str]) -> Draft:
    """What the file did not say, as far as the agency's own papers say it: each to be looked at."""
    signer = habits.remembered(draft.signer, await visit.deps.habits.of(visit.deps.out, visit.scope()))
    if signer is not None and signer != draft.signer:
        draft = replace(draft, signer=signer)
        doubts.update({name: "last" for name in ("title", "competence") if getattr(signer, name)})
    if draft.issued_on is None:
        draft, doubts["date"] = replace(draft, issued_on=visit.deps.out.today()), "today"
    if not draft.number and stored.kind is Kind.DOCUMENT:
        number = await books.next_number(visit.deps.book, visit.scope(), draft, visit.deps.out.today())
        draft, doubts["number"] = replace(draft, number=number), "next"
    return draft


def filling_told(before: Draft, after: Draft, doubts: Collection[str]) -> str:
    """Only what was read is said to have been: pages and time of signing are known also of a scan without a word in it."""
    if after == before:
        return "compose.read.differs" if doubts else "compose.read.nothing"
    if replace(before, pages=after.pages, signed_at=after.signed_at) == after:
        return "compose.read.little"
    return "compose.read.doubtful" if doubts else "compose.read.sure"


def filled_draft(draft: Draft, read: PdfFields) -> tuple[Draft, dict[str, str], set[str]]:
    """What was empty is filled. The doubts: the form's field, and why; last, which fields were filled."""
    new: dict[str, Any] = {}  # Any: each field has its own type
    doubts: dict[str, str] = {}
    filled: set[str] = set()
    present = fields.values(draft)
    for name, one in read.named():
        if one.value is None or name == "recipients":
            continue
        field = fields.OF_READ.get(name, name)
        if not present[field]:
            if not rules.never_kept(_with(draft, {name: one.value})).allowed:
                continue  # longer than any document may say it: the person shortens it, from the page
            new[name] = one.value
            filled.add(field)
            if one.sure is not Sure.SURE:
                doubts[field] = one.why or ""
        elif name in _COMPARED and one.sure is Sure.SURE and present[field] != fields.shown(one.value):
            doubts[field] = "typed"
    return _with(draft, new), doubts, filled


def _with(draft: Draft, new: dict[str, Any]) -> Draft:
    signer = draft.signer or Signer(name="")
    named = replace(
        signer,
        name=new.pop("signer", signer.name),
        title=new.pop("title", signer.title),
        competence=new.pop("competence", signer.competence),
    )
    key = new.get("type_key")
    if key is not None:
        new["type_name"] = labels.say(f"type.{key}", "vi") if labels.has(f"type.{key}") else key
        new["type_key"] = key if labels.has(f"type.{key}") else None
    has_signer = named.name or named.title or named.competence
    return replace(draft, signer=named if has_signer else None, **new)
