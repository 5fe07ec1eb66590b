"""Makes the envelope of the light tree, and pairs its attachments with the manifest, both ways. In: the root
`KnownElement` of any dialect; what the manifest lists and what the file carries. Out: `Envelope`, and a finding for
each value that should be there and is not; for each attachment the line it belongs to, and a finding for whatever
does not agree. Invents nothing: absent stays None; whether a packet may act is decided by `schema` and `policy`,
never here. Content ids are compared without their `cid:`, however often it stands there; then names, then places
(edxml.md 2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.document import Kind
from gateway.edxml.dialects import ROOT, XML_SPACE, KnownElement, Leaves, Notes
from gateway.edxml.envelope import (
    Attachment,
    Business,
    Code,
    DocumentInfo,
    DocumentType,
    Envelope,
    Organisation,
    OtherInfo,
    Receiver,
    ReplacementInfo,
    ResponseFor,
    SignerInfo,
    StaffInfo,
    StatusReport,
    TraceHeader,
)
from gateway.errors import MalformedXml

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KIND_OF_BUSINESS = {0: Kind.DOCUMENT, 1: Kind.RECALL, 2: Kind.UPDATE, 3: Kind.REPLACEMENT}

_WANTED_OF_STATUS = (
    ("From", "OrganId"),
    ("ResponseFor", "OrganId"),
    ("ResponseFor", "Code"),
    ("ResponseFor", "DocumentId"),
    ("ResponseFor", "PromulgationDate"),
    ("Timestamp", ""),
)
_WANTED = (
    ("From", "OrganId"),
    ("To", "OrganId"),
    ("DocumentId", ""),
    ("Code", "CodeNumber"),
    ("Code", "CodeNotation"),
    ("PromulgationInfo", "PromulgationDate"),
    ("DocumentType", ""),
    ("Subject", ""),
)
_NOBODY, _NO_TYPE, _NO_OTHER, _NO_RESPONSE = Organisation(), DocumentType(), OtherInfo(), ResponseFor()
_NO_HOP, _NO_BUSINESS, _NO_INFO = TraceHeader(), Business(), DocumentInfo()

# The wire's names for texts, and the model's.
_ORGANISATION = {
    "OrganizationInCharge": "organization_in_charge",
    "OrganName": "organ_name",
    "OrganAdd": "organ_add",
    "Email": "email",
    "Telephone": "telephone",
    "Fax": "fax",
    "Website": "website",
}
_CODE = {"CodeNumber": "number", "CodeNotation": "notation"}
_SIGNER = {
    "Competence": "competence",
    "Position": "position",
    "Signer": "full_name",  # as the first version of dialect B has it
    "FullName": "full_name",
}
_STAFF = {"Department": "department", "Staff": "staff", "Email": "email", "Mobile": "mobile"}
_REFERENCE = {
    "ContentType": "content_type",
    "Description": "description",
    "AttachmentName": "attachment_name",
}


def envelope(root: KnownElement, attachments: Sequence[Attachment], notes: Notes) -> Envelope:
    """The packet that a tree describes; `attachments` were read beside it, because their bytes were streamed."""
    return _Model(root, notes).envelope(tuple(attachments))


class _Model:
    """One reading of one tree. The header lies one level higher in the flat dialect."""

    def __init__(self, root: KnownElement, notes: Notes) -> None:
        header = root.path("edXMLEnvelope", "edXMLHeader") or root
        self._root = root
        self._notes = notes
        self._leaf = Leaves(notes)
        self._message = header.one("MessageHeader") or KnownElement((ROOT, "MessageHeader", 0))
        self._trace = header.one("TraceHeaderList")

    def envelope(self, attachments: tuple[Attachment, ...]) -> Envelope:
        message, leaf = self._message, self._leaf
        business = self._business()
        kind = self._kind(business)
        self._note_missing(kind)
        promulgation, places = message.one("PromulgationInfo"), message.one("ToPlaces")
        return Envelope(
            kind=kind,
            sender=self._organisation(message.one("From")) or _NOBODY,
            to=tuple(filter(None, map(self._organisation, message.many("To")))),
            document_id=leaf.identity(message, "DocumentId"),
            code=self._code(message.one("Code")),
            place=leaf.text(promulgation, "Place"),
            promulgation_date=leaf.date(promulgation, "PromulgationDate"),
            document_type=self._document_type(message.one("DocumentType")),
            subject=leaf.text(message, "Subject"),
            content=leaf.text(message, "Content"),
            signer=self._signer(message.one("SignerInfo")),
            due_date=leaf.date(message, "DueDate"),
            other=self._other(message.one("OtherInfo")),
            response_for=tuple(filter(None, map(self._response, message.many("ResponseFor")))),
            steering_type=leaf.number(message, "SteeringType", range(4)),
            to_places=leaf.texts(places, "Place"),
            task_codes=tuple(
                code for task in message.many("ResponseForTask") for code in leaf.texts(task, "TaskCode")
            ),
            application_type=leaf.text(message, "ApplicationType"),
            trace=tuple(filter(None, map(self._hop, self._trace.many("TraceHeader") if self._trace else ()))),
            business=business,
            manifest=self._manifest(),
            attachments=attachments,
            status=self._status() if kind is Kind.STATUS else None,
        )

    def _kind(self, business: Business | None) -> Kind:
        if "StatusCode" in self._message.texts:
            return Kind.STATUS
        if business is None or business.doc_type is None:
            return Kind.DOCUMENT
        kind = KIND_OF_BUSINESS.get(business.doc_type)
        if kind is None:
            detail = f"{business.doc_type} is no operation that is known, read as a new document"
            where = f"{self._trace.where if self._trace else ''}/Bussiness/BussinessDocType"
            self._notes.add("BUSINESS-TYPE", where, detail)
        return kind or Kind.DOCUMENT

    def _note_missing(self, kind: Kind) -> None:
        for first, rest in _WANTED_OF_STATUS if kind is Kind.STATUS else _WANTED:
            parents = self._message.many(first) if rest else (self._message,)
            if not parents:
                self._notes.add("MISSING", f"{self._message.below(first)}/{rest}", "absent or empty")
            for parent in parents:
                if not parent.says(rest or first):
                    self._notes.add("MISSING", parent.below(rest or first), "absent or empty")
        if kind is not Kind.STATUS and self._trace is None:
            self._notes.add("TRACE-ABSENT", "TraceHeaderList", "some readers fail without a trace list")

    def _organisation(self, node: KnownElement | None) -> Organisation | None:
        if node is None:
            return None
        organ_id, said = self._leaf.identity(node, "OrganId"), self._leaf.named(node, _ORGANISATION)
        return Organisation(organ_id=organ_id, **said) if organ_id or said else None

    def _code(self, node: KnownElement | None) -> Code | None:
        said = self._leaf.named(node, _CODE) if node else None
        return Code(**said) if said else None

    def _document_type(self, node: KnownElement | None) -> DocumentType | None:
        if node is None:
            return None
        leaf = self._leaf
        own_text = node.value.strip(XML_SPACE)
        found = DocumentType(
            type=leaf.number(node, "Type"),
            detail=leaf.number(node, "TypeDetail"),
            name=leaf.text(node, "TypeName") or own_text or None,
        )
        return found if found != _NO_TYPE else None

    def _signer(self, node: KnownElement | None) -> SignerInfo | None:
        said = self._leaf.named(node, _SIGNER) if node else None
        return SignerInfo(**said) if said else None

    def _other(self, node: KnownElement | None) -> OtherInfo | None:
        if node is None:
            return None
        leaf = self._leaf
        found = OtherInfo(
            priority=leaf.number(node, "Priority", range(5)),
            sphere_of_promulgation=leaf.text(node, "SphereOfPromulgation"),
            typer_notation=leaf.text(node, "TyperNotation"),
            promulgation_amount=leaf.number(node, "PromulgationAmount"),
            page_amount=leaf.number(node, "PageAmount"),
            reply_fors=leaf.text(node, "ReplyFors"),
            direction=leaf.flag(node, "Direction"),
            reference_codes=leaf.text(node, "ReferenceCodes"),
            appendixes=leaf.texts(node.one("Appendixes"), "Appendix"),
        )
        return found if found != _NO_OTHER else None

    def _response(self, node: KnownElement) -> ResponseFor | None:
        leaf = self._leaf
        found = ResponseFor(
            organ_id=leaf.identity(node, "OrganId"),
            code=leaf.text(node, "Code"),
            document_id=leaf.identity(node, "DocumentId"),
            promulgation_date=leaf.date(node, "PromulgationDate"),
        )
        return found if found != _NO_RESPONSE else None

    def _hop(self, node: KnownElement) -> TraceHeader | None:
        found = TraceHeader(
            organ_id=self._leaf.identity(node, "OrganId"), timestamp=self._leaf.time(node, "Timestamp")
        )
        return found if found != _NO_HOP else None

    def _staff(self, node: KnownElement | None) -> StaffInfo | None:
        said = self._leaf.named(node, _STAFF) if node else None
        return StaffInfo(**said) if said else None

    def _business(self) -> Business | None:
        if self._trace is None:
            return None
        leaf, node = self._leaf, self._trace.one("Bussiness")
        paper = leaf.number(node, "Paper")
        found = Business(
            doc_type=leaf.number(node, "BussinessDocType"),
            document_id=leaf.identity(node, "DocumentId"),
            reason=leaf.text(node, "BussinessDocReason"),
            paper=leaf.number(self._trace, "Paper") if paper is None else paper,
            document_info=self._document_info(node.one("BussinessDocumentInfo") if node else None),
            replacements=self._replacements(node.one("ReplacementInfoList") if node else None),
            staff=tuple(filter(None, map(self._staff, node.many("StaffInfo") if node else ()))),
        )
        return found if found != _NO_BUSINESS else None

    def _document_info(self, node: KnownElement | None) -> DocumentInfo | None:
        if node is None:
            return None
        receivers = node.one("ReceiverList")
        lines = receivers.many("Receiver") if receivers else ()
        found = DocumentInfo(
            document_info=self._leaf.flag(node, "DocumentInfo"),
            document_receiver=self._leaf.flag(node, "DocumentReceiver"),
            receivers=tuple(filter(None, map(self._receiver, lines))),
        )
        return found if found != _NO_INFO else None

    def _receiver(self, node: KnownElement) -> Receiver | None:
        organ_id, added = self._leaf.identity(node, "OrganId"), self._leaf.flag(node, "ReceiverType")
        if organ_id is None or added is None:
            self._notes.add("MISSING", node.where, "a receiver without code or type is left out")
            return None
        return Receiver(organ_id=organ_id, added=added)

    def _replacements(self, node: KnownElement | None) -> tuple[ReplacementInfo, ...]:
        return tuple(filter(None, map(self._replacement, node.many("ReplacementInfo") if node else ())))

    def _replacement(self, node: KnownElement) -> ReplacementInfo | None:
        document_id, organs = self._leaf.identity(node, "DocumentId"), node.one("OrganIdList")
        if document_id is None:
            self._notes.add(
                "MISSING", f"{node.where}/DocumentId", "a replaced document without id is left out"
            )
            return None
        codes = self._leaf.identities(organs, "OrganId") if organs else ()
        return ReplacementInfo(document_id=document_id, organ_ids=codes)

    def _manifest(self) -> tuple[Attachment, ...]:
        manifest = self._root.path("edXMLEnvelope", "edXMLBody", "edXMLManifest")
        return tuple(map(self._reference, manifest.many("Reference") if manifest else ()))

    def _reference(self, node: KnownElement) -> Attachment:
        leaf = self._leaf
        content_id = leaf.identity(node, "ContentId") or leaf.text(node, "@href")
        return Attachment(content_id=content_id, **leaf.named(node, _REFERENCE))

    def _status(self) -> StatusReport:
        leaf, message = self._leaf, self._message
        return StatusReport(
            code=self._status_code(),
            description=leaf.text(message, "Description"),
            timestamp=leaf.time(message, "Timestamp"),
            staff=self._staff(message.one("StaffInfo")),
        )

    def _status_code(self) -> str:
        code = (self._leaf.text(self._message, "StatusCode") or "").strip(XML_SPACE)
        where = f"{self._message.where}/StatusCode"
        if not code:
            self._notes.add("MISSING", where, "absent or empty")
        elif len(code) == 1 and code.isascii() and code.isdigit():
            self._notes.add("STATUS-FORM", where, f"{code} is read as 0{code}")
            return f"0{code}"
        return code


def pair_attachments(
    manifest: Sequence[Attachment], attachments: Sequence[Attachment], notes: Notes, *, strict: bool
) -> list[Attachment | None]:
    """The manifest's line of each attachment, None where it has none. `strict` refuses what is not one to one."""
    ids = {bare_content_id(one.content_id) for one in attachments}
    if len(ids) == len(attachments) and None not in ids and tuple(manifest) == tuple(attachments):
        return list(manifest)  # as our own writer says it: the same, twice

    def object_to(code: str, where: str, detail: str) -> None:
        if strict:
            raise MalformedXml("ENV-DIALECT", f"{where}: {detail}", step=4, where=where)
        notes.add(code, where, detail)

    for where, said in (("manifest", manifest), ("attachments", attachments)):
        named = [bare for one in said if (bare := bare_content_id(one.content_id)) is not None]
        for _ in range(len(named) - len(set(named))):
            object_to("CID-DOUBLED", where, "one content id stands twice")
    lines: dict[int, int] = {}
    _match(lines, manifest, attachments, lambda one: bare_content_id(one.content_id))
    by_id = len(lines)
    _match(lines, manifest, attachments, lambda one: one.attachment_name)
    by_name, count = len(lines), len(attachments)
    for n in range(min(len(manifest), count)):
        if n not in lines and n not in lines.values():
            lines[n] = n
    if by_name > by_id:
        detail = f"{by_name - by_id} of {count} files have no common content id"
        notes.add("PAIRED-BY-NAME", "edXMLManifest", detail)
    if len(lines) > by_name:
        detail = (
            f"{len(lines) - by_name} of {count} files have neither a content id nor a name of the manifest"
        )
        object_to("PAIRED-BY-POSITION", "edXMLManifest", detail)
    _note_unpaired(lines, manifest, attachments, object_to)
    _note_differences(lines, manifest, attachments, notes)
    return [manifest[lines[n]] if n in lines else None for n in range(count)]


def bare_content_id(text: str | None) -> str | None:
    """Without `cid:`, which the library writes twice when it made the id itself."""
    while text and text[:4].lower() == "cid:":
        text = text[4:]
    return text or None


def _match(
    lines: dict[int, int],
    manifest: Sequence[Attachment],
    attachments: Sequence[Attachment],
    value_of: Callable[[Attachment], str | None],
) -> None:
    """Pairs what is still unpaired by one value; equal values pair in order."""
    taken = set(lines.values())
    waiting: dict[str, list[int]] = {}
    for at, line in enumerate(manifest):
        value = value_of(line)
        if at not in taken and value is not None:
            waiting.setdefault(value, []).append(at)
    for n, one in enumerate(attachments):
        value = value_of(one)
        if n not in lines and value is not None and waiting.get(value):
            lines[n] = waiting[value].pop(0)


def _note_unpaired(
    lines: dict[int, int],
    manifest: Sequence[Attachment],
    attachments: Sequence[Attachment],
    object_to: Callable[[str, str, str], None],
) -> None:
    if attachments and not manifest:
        object_to("MANIFEST-ABSENT", "edXMLManifest", "files came without a manifest")
        return
    for n in range(len(attachments)):
        if n not in lines:
            object_to("MANIFEST-MISSING", f"Attachment[{n + 1}]", "a file that the manifest does not list")
    for at in sorted(set(range(len(manifest))) - set(lines.values())):
        where = f"edXMLManifest/Reference[{at + 1}]"
        object_to("MANIFEST-EXTRA", where, "the manifest lists a file that did not come")


def _note_differences(
    lines: dict[int, int], manifest: Sequence[Attachment], attachments: Sequence[Attachment], notes: Notes
) -> None:
    for n, at in sorted(lines.items()):
        one, line, where = attachments[n], manifest[at], f"Attachment[{n + 1}]"
        if len({one.content_type, line.content_type} - {None}) > 1:
            notes.add("TYPE-DIFFERS", f"{where}/ContentType", "another type than the manifest's")
        if len({one.attachment_name, line.attachment_name} - {None}) > 1:
            notes.add("NAME-DIFFERS", f"{where}/AttachmentName", "another name than the manifest's")
