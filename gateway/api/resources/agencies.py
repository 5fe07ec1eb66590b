"""The agency-code directory for programs: list, search, read, resolve, changes, import. In: a call. Out: entries as the
directory knows them, with the source of each row. An import is planned first and applied only on request."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any, Literal

from pydantic import Field

from gateway.api import parsing
from gateway.api.call import DEFAULT_ROWS, MOST_ROWS, Call, PageOut, Since, TextQuery, page_of
from gateway.api.routes import Body, Routes
from gateway.api.shapes import Day, Line, Moment, Name, RequestModel, ResponseModel, Sha256
from gateway.domain.account import ApiScope
from gateway.domain.document import Kind
from gateway.domain.forms import Form
from gateway.domain.registry_change import Plan, RegistryChange, RowProblem
from gateway.domain.request_fault import BadCall, RequestFault, pointer
from gateway.errors import NotFound
from gateway.outgoing.check import form_of, hosted_agency, ways
from gateway.ports.axis import Promises
from gateway.registry_authoring.receipts import LONGEST_RECEIPT, MEDIA_TYPE, SqlReceipts

# Number of changes that a plan shows; its counts are complete.
_MOST_PLAN_ROWS = 500


class Agency(ResponseModel):
    """One agency. `source` starter only warns; the others may refuse and redirect (R48)."""

    code: str
    name: str
    alias: str | None
    parent: str | None
    valid_from: dt.date | None
    valid_to: dt.date | None
    successor: str | None
    source: str
    email: str | None
    address: str | None
    phone: str | None
    check: str | None
    scheme: str = Field(
        description="Identification scheme of the code; VN-GOV is that of Decision 20/2020, PENDING means no code yet"
    )
    decision: str | None


class Agencies(PageOut[Agency]):
    """One page."""


class ResolveQuery(RequestModel):
    """A code of today, an old code, an alias, or a name below `parent`."""

    q: Name
    parent: Line | None = None
    on: Day | None = Field(None, description="Day of the answer; today if absent")


class Resolved(ResponseModel):
    """Result of looking up a code or name; never a guess."""

    given: str
    standing: Literal["active", "mapped", "closed", "unknown", "uncertain"]
    agency: Agency | None
    mapped_by: str | None
    successor: str | None
    nearest: str | None


class AxisOut(ResponseModel):
    """One axis that mail to the agency may take, and what it preserves."""

    axis: str | None = Field(description="Its name; null if the node has one axis")
    connected: bool | None = Field(
        description="Whether a node receives for the agency there; null if the axis does not tell"
    )
    signature_arrives: bool = Field(description="The receiver gets the signed bytes, and so the signature")
    receipts: bool = Field(
        description="Statuses can come back signed, with an exchange certificate of the agency"
    )
    terms: bool = Field(
        description="Data that only this node's own envelope contains arrive: whether a reply is required, the "
        "role of each recipient"
    )
    form: Literal["standard", "unsigned", "dotnet"] = Field(
        description="Form of envelopes to the agency on this axis, set by the route"
    )
    urgent_first: bool = Field(description="Urgent documents overtake the others")
    parts: bool = Field(description="A packet that is too large for one message is sent in parts")


class Capabilities(ResponseModel):
    """Packets that can be sent to an agency, and the axes for them."""

    code: str
    name: str
    standing: Literal["active", "mapped", "closed", "unknown", "uncertain"]
    certificate: bool = Field(description="An exchange certificate is bound to it and valid now")
    axes: list[AxisOut] = Field(description="In the order in which they are tried")
    kinds: list[str] = Field(description="Kinds of packets that can be sent to it; texts are in /codes")
    max_file_bytes: int = Field(description="Limit of this node; the axis or the receiver may accept less")
    max_document_bytes: int


class BoundCertificate(ResponseModel):
    """Exchange certificate bound to an agency, and what that rests on."""

    sha256: str
    valid_from: Moment | None
    valid_to: Moment | None
    since: Moment = Field(description="When it was bound here")
    source: Literal["people", "policy", "list"] = Field(
        description="Two people here; the policy for an issuer; or its list, approved by two people"
    )
    issuer: str | None = Field(description="Issuer of the list")
    list_number: int | None
    policy: int | None = Field(description="Version of the policy")
    officers: list[str] = Field(description="Certificates of the officers who signed the list, by SHA-256")


class BoundCertificates(ResponseModel):
    """Certificates that have not ended, oldest binding first."""

    data: list[BoundCertificate]


class ChangesQuery(RequestModel):
    since: Since | None = None
    limit: int = Field(DEFAULT_ROWS, ge=1, le=MOST_ROWS)


class Change(ResponseModel):
    id: str
    at: Moment
    by: str
    source_sha256: str
    summary: dict[str, Any]  # Any: counts and lists of codes, as they were kept


class Changes(ResponseModel):
    """Applied changes, oldest first. The next call's `since` is the last `at`; the same change may come again."""

    data: list[Change]


class ImportQuery(RequestModel):
    dry_run: bool = Field(False, description="Only show the changes")


class PlanRow(ResponseModel):
    code: str
    name: str


class PlanChange(PlanRow):
    fields: dict[str, tuple[str | None, str | None]] = Field(
        description="Each changed field with its value before and after"
    )


class PlanProblem(ResponseModel):
    line: int
    column: str
    found: str
    advice: str


class Import(ResponseModel):
    """Changes of the file, planned or applied. If there are problems, nothing is applied."""

    dry_run: bool
    applied: str | None = Field(description="Id of the change, once applied")
    source_sha256: str
    counts: dict[str, int]
    added: list[PlanRow]
    changed: list[PlanChange]
    closed: list[PlanChange]
    problems: list[PlanProblem]


class Issued(ResponseModel):
    """Signed list that this node issued."""

    issuer: str
    sequence: int
    digest: Sha256
    made_at: Moment


class NodeReceipt(ResponseModel):
    """Receipt of a list, signed for an agency of a node."""

    code: str
    sequence: int = Field(description="Number of the list that is in force there")
    state: str = Field(
        description="What became of the list's certificates there, as for `registry trust lists`"
    )
    taken_at: Moment
    received_at: Moment
    version: str = Field(description="Version of the node's program")


class ListNode(ResponseModel):
    """Node that the directory names, and the newest list that it told of."""

    node: str
    code: str = Field(description="Agency that signed the receipt, or the first one of the node")
    codes: int = Field(description="Number of the node's agencies")
    behind_since: Moment | None = Field(
        description="Time of the first list that it did not tell of; null if it has the newest"
    )
    receipt: NodeReceipt | None


class PlannedChange(ResponseModel):
    """Change of the organisation that is to come, or came in the last fifteen days."""

    id: str
    kind: str
    decision: str
    effective_on: dt.date
    sequence: int | None = Field(description="First list with the change; null if no list has it yet")
    lacking: list[str] = Field(description="Nodes that told of no list with the change")


class ListReceipts(ResponseModel):
    """The newest list that this node issued, and who has it; those that lack it come first."""

    issued: Issued | None
    data: list[ListNode]
    changes: list[PlannedChange]


class ReceiptTaken(ResponseModel):
    recorded: bool = Field(description="False if the receipt says nothing new")


ROUTES = Routes("agencies", ApiScope.AGENCIES_READ)


@ROUTES(
    "GET /agencies",
    "Agencies in the order of their codes, or those that `q` finds",
    text="A search returns one page at most: narrow it if the agency is not there.",
)
async def list_agencies(call: Call, query: TextQuery) -> Agencies:
    directory = call.deps.directory
    if query.q:
        hits = await directory.search(query.q, query.limit)
        return Agencies.paged([Agency.from_object(e) for e in hits], None)
    page = await page_of(call, directory.entries(query.limit, query.cursor))
    rows = [Agency.from_object(e) for e in page.items]
    return Agencies.paged(rows, page.next_cursor)


@ROUTES(
    "GET /agencies:resolve",
    "Find the agency of a code, old code, alias or name on a day",
    text="Give one of the parameters. An ended code leads to its successor on that day, and `heirs` "
    "names all where there are several.",
)
async def resolve_agency(call: Call, query: ResolveQuery) -> Resolved:
    answer = await call.deps.directory.resolve(query.q, query.on or call.deps.out.today(), query.parent)
    return Resolved.from_object(answer, given=answer.query, agency=answer.entry)


@ROUTES(
    "GET /agencies/changes",
    "Changes applied to the directory, oldest first",
    text="For a copy of the directory: keep the last `next_cursor`, and ask again from there.",
)
async def list_agency_changes(call: Call, query: ChangesQuery) -> Changes:
    rows = await call.deps.directory_changes.list_applied(query.since, query.limit)
    return Changes(data=[Change.from_object(c, source_sha256=c.source_digest) for c in rows])


@ROUTES(
    "GET /agencies/receipts",
    "Nodes that have the signed lists of agencies that this node issued",
    text="Each node tells which list it has applied; one that is behind still knows the older codes.",
)
async def list_receipts(call: Call) -> ListReceipts:
    overview = await _receipts(call).overview(call.deps.node)
    return ListReceipts(
        issued=Issued.from_object(overview.issued) if overview.issued else None,
        data=[
            ListNode.from_object(x, receipt=NodeReceipt.from_object(x.receipt) if x.receipt else None)
            for x in overview.nodes
        ],
        changes=[
            PlannedChange.from_object(x, kind=x.kind.value, lacking=list(x.lacking)) for x in overview.changes
        ],
    )


@ROUTES(
    "POST /agencies/receipts",
    "Take a node's receipt of a signed list of agencies that this node issued",
    text="For nodes. The receipt proves itself by its signature, with a certificate in force for its agency.",
    open=True,
    scopes=(),
    body=Body.RAW,
    takes=MEDIA_TYPE,
    fails=(409,),
)
async def take_receipt(call: Call) -> ReceiptTaken:
    parsing.need_type(call.request, MEDIA_TYPE)
    raw = await parsing.read_body(call.request, LONGEST_RECEIPT, call.deps.options.body_s)
    return ReceiptTaken(recorded=await _receipts(call).take(raw, call.deps.directory.bindings))


def _receipts(call: Call) -> SqlReceipts:
    return SqlReceipts(call.deps.store.writer, call.deps.store.reader, call.deps.clock)


def _axis_view(
    name: str | None, promises: Promises, unhosted: Collection[str] | None, form: Form, *, certificate: bool
) -> AxisOut:
    return AxisOut(
        axis=name,
        connected=None if unhosted is None or not promises.unroutable_return else not unhosted,
        signature_arrives=promises.byte_identity,
        receipts=promises.byte_identity and certificate,
        terms=promises.byte_identity,
        form=(Form.STANDARD if promises.needs_signature else form).value,
        urgent_first=promises.urgent_lane,
        parts=promises.parts,
    )


@ROUTES(
    "GET /agencies/{code}/capabilities",
    "What can be sent to an agency, over which axes, and what each axis preserves",
    text="Each axis is asked, which may take some seconds. The answer is no guarantee.",
)
async def read_capabilities(call: Call) -> Capabilities:
    deps, code, now = call.deps, call.path("code"), call.deps.clock.now()
    entry = await deps.directory.entry(code)
    if entry is None:
        raise NotFound("no agency has this code; ask /agencies:resolve for old codes and names")
    standing = (await deps.directory.resolve(entry.code, deps.out.today())).standing
    certificate = bool(await deps.out.directory.bound([entry.code], now))
    sender = (await hosted_agency(deps.out, call.scope())).code
    form = await form_of(deps.axis, sender, entry.code)
    return Capabilities.from_object(
        entry,
        deps.out.profile,
        standing=standing.value,
        certificate=certificate,
        axes=[
            _axis_view(
                name, axis.promises(), await axis.unhosted([entry.code]), form, certificate=certificate
            )
            for name, axis in (await ways(deps.axis, sender, entry.code) if call.wants("axes") else ())
        ],
        kinds=[kind.value for kind in Kind],
    )


@ROUTES(
    "GET /agencies/{code}/certificates",
    "Exchange certificates bound to an agency, and what each rests on",
    text="With their periods, and the decision or delegated policy by which each is trusted.",
)
async def list_agency_certificates(call: Call) -> BoundCertificates:
    entry = await call.deps.directory.entry(call.path("code"))
    if entry is None:
        raise NotFound("no agency has this code; ask /agencies:resolve for old codes and names")
    origins = await call.deps.directory.origins([entry.code])
    return BoundCertificates(
        data=[
            BoundCertificate.from_object(
                origin,
                sha256=origin.fingerprint,
                source=origin.kind,
                issuer=origin.issuer or None,
                list_number=origin.sequence,
            )
            for origin in origins
        ]
    )


@ROUTES(
    "GET /agencies/{code}",
    "One agency by its code, in force or not",
    text="An ended code is found too, with its last day and what followed it.",
)
async def read_agency(call: Call) -> Agency:
    entry = await call.deps.directory.entry(call.path("code"))
    if entry is None:
        raise NotFound("no agency has this code; ask /agencies:resolve for old codes and names")
    return Agency.from_object(entry)


@ROUTES(
    "POST /agencies:import",
    "Change the directory from a CSV file; the same file again changes nothing",
    text="With `dry_run=true` only the plan is returned. Certificate bindings are never changed.",
    scopes=(ApiScope.AGENCIES_WRITE,),
    body=Body.RAW,
    takes="text/csv",
    fails=(409,),
)
async def import_agencies(call: Call, query: ImportQuery) -> Import:
    parsing.need_type(call.request, "text/csv")
    raw = await parsing.read_body(call.request, call.deps.options.import_bytes, call.deps.options.upload_s)
    plan = await call.deps.directory_changes.plan_import(raw)
    if query.dry_run:
        return _import_view(plan, None)
    if plan.problems:
        raise BadCall("bad-file", *(_fault(p) for p in plan.problems[:_MOST_PLAN_ROWS]))
    change = await call.deps.directory_changes.apply(plan, call.caller.key.principal.id)
    return _import_view(plan, change)


def _import_view(plan: Plan, change: RegistryChange | None) -> Import:
    return Import(
        dry_run=change is None,
        applied=change.id if change else None,
        source_sha256=plan.source_digest,
        counts={
            "added": len(plan.added),
            "changed": len(plan.changed),
            "closed": len(plan.closed),
            "unchanged": plan.unchanged,
            "problems": len(plan.problems),
        },
        **{
            name: getattr(plan, name)[:_MOST_PLAN_ROWS] for name in ("added", "changed", "closed", "problems")
        },
    )


def _fault(problem: RowProblem) -> RequestFault:
    params = {"line": str(problem.line), "found": problem.found or "∅", "advice": problem.advice}
    return RequestFault(code="row", pointer=pointer("lines", problem.line, problem.column), params=params)
