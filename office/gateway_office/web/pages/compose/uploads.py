"""Files that are brought to a new document. Reads its form as it comes: the fields, and files streamed piece by piece into
the request's files; and fills the draft from the signed PDF that was brought as its lead file. In: a request and open
request files. Out: the fields, and the problems with files; the draft with empty fields filled, where an uncertain value,
or one that contradicts the typed one, stays marked until a person has confirmed it. A refused file is read to its end but
not kept, so that the typed fields are not lost; a body far past every limit is cut off. Typed values are never
overwritten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from aiohttp import BodyPartReader

from gateway.api.parts import MULTIPART_FAULTS
from gateway.domain.document import Draft, FileItem, FileRole, Kind, OutgoingDocument, Signer
from gateway.domain.pdf import PdfFields, Sure
from gateway.domain.registry import OfferKind
from gateway.errors import BadForm, GatewayError, Refused, ScannerDown
from gateway.outgoing import drafting
from gateway.outgoing.addressing import ReadDocument, read_document
from gateway.outgoing.intake import RequestFiles
from gateway.outgoing.services import profile_of
from gateway.policy import admission
from gateway.policy import outgoing as rules
from gateway.policy.numbering import gives_numbers
from gateway.words import labels
from gateway_office.book import books
from gateway_office.letters import habits
from gateway_office.web import forms
from gateway_office.web.forms import Form
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.compose import addressing, fields

_UPLOAD_S = 600.0
_MOST_PARTS = 10_000
ANY = "files"
"""The field whose files have the role that their names suggest."""
_WRITTEN_IN = frozenset({"doc", "docx", "odt", "rtf"})
_PLAIN = frozenset({"", "binary", "8bit", "7bit"})
_COMPARED = ("number", "symbol", "issued_on", "pages")


@dataclass(slots=True)
class UploadedForm:
    """Contents of one form. `refused` are errors about single files; `doubled` the names of files that the document has
    already, under any name."""

    form: Form = field(default_factory=Form)
    refused: list[GatewayError] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)


async def read_form(
    request: PageRequest, request_files: RequestFiles, present: Sequence[FileItem] = ()
) -> UploadedForm:
    """Read the whole form, for a document that has those files. Raise BadForm where it is none, or takes too long."""
    try:
        async with asyncio.timeout(_UPLOAD_S):
            with _as_form():
                return await _read_parts(request, request_files, present)
    except TimeoutError as error:
        raise BadForm("the form took too long to come", code="GW-FORM-TIME") from error


async def _read_parts(
    request: PageRequest, request_files: RequestFiles, present: Sequence[FileItem]
) -> UploadedForm:
    fields: dict[str, list[str]] = {}
    brought, bytes_left, count = UploadedForm(), forms.FORM_BYTES, 0
    async for part in forms.parts(request.http, request.token):
        count += 1
        if count > _MOST_PARTS:
            raise BadForm(f"a form may have {_MOST_PARTS} fields", code="GW-FORM-SIZE")
        name = part.name or ""
        if part.filename is None:
            text = await forms.short(part, bytes_left)
            bytes_left -= len(text.encode())
            fields.setdefault(name, []).append(text)
        elif part.filename:
            await _take_part(part, name, request_files, fields, brought, present)
        else:
            await _drop_part(part, request_files)
    brought.form = Form(MappingProxyType({name: tuple(values) for name, values in fields.items()}))
    return brought


async def _take_part(
    part: BodyPartReader,
    field: str,
    request_files: RequestFiles,
    fields: Mapping[str, list[str]],
    brought: UploadedForm,
    present: Sequence[FileItem],
) -> None:
    if field != ANY and field not in tuple(FileRole):
        raise BadForm("this form brings no such file")
    try:
        # The declared secrecy comes before the files: no part of a secret may touch the disk, R2 (no secrets).
        request_files.declare(Draft(secrecy=(fields.get("secrecy") or ["none"])[0]))
        name, all_files = file_name(part), [*present, *(file.item for file in request_files.received)]
        role = role_of(name, [file.role for file in all_files]) if field == ANY else FileRole(field)
        added = (await request_files.add(field, name, role, chunks(part))).item
    except (Refused, ScannerDown, BadForm) as error:
        brought.refused.append(error)
        await _drop_part(part, request_files)
        return
    if any(file.sha256 == added.sha256 for file in all_files):
        request_files.received.pop()
        request_files.total -= added.size
        brought.doubled.append(added.name)


def role_of(name: str, roles: Collection[FileRole]) -> FileRole:
    """Guess the role of a dropped file: the first PDF is the document, its editable form the source."""
    ending = name.rpartition(".")[2].casefold()
    if ending == "pdf" and FileRole.LEAD not in roles:
        return FileRole.LEAD
    return FileRole.SOURCE if ending in _WRITTEN_IN else FileRole.APPENDIX


def file_name(part: BodyPartReader) -> str:
    """Return the name in NFC; control characters have no honest use in a name (threats.md 77)."""
    name = admission.meant_name(part.headers.get("Content-Disposition", ""), part.filename)
    if name is None:
        raise BadForm("the name of a file cannot be read", code="GW-FORM-NAME")
    return name


async def chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    """Yield the bytes of a part as they are: not packed and not encoded a second time."""
    coding = part.headers.get("Content-Transfer-Encoding", "").strip().lower()
    packed = part.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in _PLAIN or packed != "identity":
        raise BadForm("a file comes as its bytes, without an encoding of its own")
    while not part.at_eof():
        if chunk := await part.read_chunk():
            yield chunk


async def _drop_part(part: BodyPartReader, request_files: RequestFiles) -> None:
    limit = 4 * request_files.services.profile.max_document_bytes
    while not part.at_eof():
        request_files.total += len(await part.read_chunk())
        if request_files.total > limit:
            raise BadForm("far more was sent than a document may have", code="GW-FORM-SIZE")


@contextmanager
def _as_form() -> Iterator[None]:
    """Turn the server's errors for a body that is not multipart, or is cut off, into BadForm."""
    try:
        yield
    except MULTIPART_FAULTS as error:
        raise BadForm("the form could not be read to its end") from error


async def read_lead(request: PageRequest, files: RequestFiles) -> ReadDocument | None:
    """Read the fields of the lead file among them, while it is still in scratch; None where there is none, or it is no PDF
    that could be sent."""
    lead = next((file for file in files.received if file.item.role is FileRole.LEAD), None)
    if lead is None:
        return None
    lead_only = RequestFiles(services=files.services, stack=files.stack, received=[lead])
    try:
        read = await read_document(request.deps.out, request.deps.registry, request.scope(), lead_only)
    except Refused:
        # Its faults are shown when it is taken in, or checked.
        return None
    if read.stamps:
        stamped = replace(lead, item=replace(lead.item, stamped=True))
        files.received[:] = [stamped if file is lead else file for file in files.received]
    return read


async def fill_draft(request: PageRequest, stored: OutgoingDocument, read: ReadDocument) -> str:
    """Fill the draft from the PDF and return the key of the message to show."""
    draft, doubts, filled = filled_draft(stored.draft, read.fields)
    if not draft.recipients and read.offers:
        recipients, _ = await addressing.add_offers(request, (), read.offers)
        draft = replace(draft, recipients=recipients)
        filled.add("recipients")
        if any(offer.kind is OfferKind.POINTER for offer in read.offers):
            doubts["recipients"] = "pointer"
        elif read.fields.recipients.sure is not Sure.SURE:
            doubts["recipients"] = read.fields.recipients.why or ""
    if read.stamps and draft.secrecy == "none":
        doubts["secrecy"] = "stamp"
    message = filling_message(stored.draft, draft, doubts)
    if read.recognised and filled:
        message = "compose.read.recognised"
    elif read.recognised and recognised_differences(stored.draft, read.fields):
        message = "compose.read.recognised_differs"
    draft = await _with_usual_fields(request, stored, draft, doubts)
    earlier = {name: why for name, why in stored.doubts if name not in doubts}
    marks = {
        "doubts": tuple({**earlier, **doubts}.items()),
        "from_file": sorted({*stored.from_file, *filled}),
    }
    await save_over(request, stored, draft, **marks)
    return message


async def save_over(
    request: PageRequest, stored: OutgoingDocument, draft: Draft, **marks: Any
) -> OutgoingDocument:  # Any: other fields stored beside a draft
    """Save the draft in place of the stored one, unless a newer version exists; fields beside the draft stay, unless
    given."""
    saved_marks = {"change": stored.change, "doubts": stored.doubts, "from_file": stored.from_file, **marks}
    out, scope = request.outgoing
    return await drafting.save(out, scope, stored.id, draft, expect_version=stored.version, **saved_marks)


async def _with_usual_fields(
    request: PageRequest, stored: OutgoingDocument, draft: Draft, doubts: dict[str, str]
) -> Draft:
    """Add fields that the file lacks from the agency's own papers: each to be looked at."""
    signer = habits.remembered(draft.signer, await request.deps.habits.load(*request.outgoing))
    if signer is not None and signer != draft.signer:
        draft = replace(draft, signer=signer)
        doubts.update({name: "last" for name in ("title", "competence") if getattr(signer, name)})
    if draft.issued_on is None:
        draft, doubts["date"] = replace(draft, issued_on=request.deps.out.today()), "today"
    profile = await profile_of(*request.outgoing)
    if not draft.number and stored.kind is Kind.DOCUMENT and not gives_numbers(profile):
        number = await books.next_number(request.deps.book, request.scope(), draft, request.deps.out.today())
        draft, doubts["number"] = replace(draft, number=number), "next"
    return draft


def filling_message(earlier: Draft, filled: Draft, doubts: Collection[str]) -> str:
    """Return the message's key. Pages and time of signing do not count as read: they are known also of a scan without
    text."""
    if filled == earlier:
        return "compose.read.differs" if doubts else "compose.read.nothing"
    if replace(earlier, pages=filled.pages, signed_at=filled.signed_at) == filled:
        return "compose.read.little"
    return "compose.read.doubtful" if doubts else "compose.read.sure"


def recognised_differences(draft: Draft, read: PdfFields) -> list[str]:
    """Name the compared fields in which a machine read something else than is typed: a hint alone."""
    present = fields.values(draft)
    values = {name: (fields.OF_READ.get(name, name), read_field.value) for name, read_field in read.items()}
    return [
        name
        for name, (field, value) in values.items()
        if name in _COMPARED and value is not None and present[field] not in ("", fields.field_text(value))
    ]


def filled_draft(draft: Draft, read: PdfFields) -> tuple[Draft, dict[str, str], set[str]]:
    """Fill the empty fields. Also return the doubts, as form field and reason, and the filled fields."""
    new: dict[str, Any] = {}  # Any: each field has its own type
    doubts: dict[str, str] = {}
    filled: set[str] = set()
    present = fields.values(draft)
    for name, read_field in read.items():
        if read_field.value is None or name == "recipients":
            continue
        field = fields.OF_READ.get(name, name)
        if not present[field]:
            if not rules.check_kept(_with_fields(draft, {name: read_field.value})).allowed:
                continue  # longer than any document may say it: the person shortens it, from the page
            new[name] = read_field.value
            filled.add(field)
            if read_field.sure is not Sure.SURE:
                doubts[field] = read_field.why or ""
        elif (
            name in _COMPARED
            and read_field.sure is Sure.SURE
            and present[field] != fields.field_text(read_field.value)
        ):
            doubts[field] = "typed"
    return _with_fields(draft, new), doubts, filled


def _with_fields(draft: Draft, new: dict[str, Any]) -> Draft:
    signer = draft.signer or Signer(name="")
    new_signer = replace(
        signer,
        name=new.pop("signer", signer.name),
        title=new.pop("title", signer.title),
        competence=new.pop("competence", signer.competence),
    )
    key = new.get("type_key")
    if key is not None:
        new["type_name"] = labels.say(f"type.{key}", "vi") if labels.has(f"type.{key}") else key
        new["type_key"] = key if labels.has(f"type.{key}") else None
    has_signer = new_signer.name or new_signer.title or new_signer.competence
    return replace(draft, signer=new_signer if has_signer else None, **new)
