"""Questions about the node itself: identity, limits, codes, description of the API. In: a call. Out: small answers
made from tables that the whole node uses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from aiohttp import web
from pydantic import Field

from gateway.api.call import DOCUMENT, MOST_ROWS, Call, PageOut, PageQuery
from gateway.api.caller import origin
from gateway.api.routes import Routes
from gateway.api.shapes import KeyWayWord, Moment, NumberingWord, PrincipalWord, ResponseModel, ScopeWord
from gateway.api.words import table
from gateway.budgets import OWN
from gateway.domain.document import InState
from gateway.domain.states import CODES, STATES


class AgencyServed(ResponseModel):
    id: str
    code: str
    name: str
    numbering: NumberingWord
    aliases: list[str]


class CertificateBound(ResponseModel):
    """A client certificate, as a key knows it."""

    sha256: str = Field(description="SHA-256 of its DER, in hexadecimal")
    name: str
    expires_at: Moment


class Me(ResponseModel):
    """The caller and its key."""

    key: str
    name: str
    kind: PrincipalWord
    scopes: list[ScopeWord]
    networks: list[str] = Field(description="Addresses that may use the key; empty: all")
    agencies: list[AgencyServed]
    agency: str | None = Field(
        description="The agency of this call; null until X-Agency names one of several"
    )
    expires_at: Moment | None
    way: KeyWayWord = Field(
        description="What the key is used with: its secret, its client certificate, or both"
    )
    certificate: CertificateBound | None = Field(
        description="The client certificate bound to the key; null if none is"
    )


class Limits(ResponseModel):
    """Limits of a call. Sizes are original bytes, before any encoding (R13)."""

    max_file_bytes: int
    max_document_bytes: int
    max_files: int
    max_unsent_bytes: int | None = Field(
        description="Bytes of drafts, uploads and waiting documents that an agency may keep; null: no limit. Above it: 507"
    )
    unsent_bytes: int | None = Field(
        description="Bytes that the key's agency keeps; null for a key of several"
    )
    max_partner_bytes: int | None = Field(
        description="Bytes of unhandled mail that one partner may have here; less while the disk "
        "is nearly full; null: no limit. Above it, its mail waits on the axis"
    )
    partners: dict[str, int] | None = Field(
        description="Such bytes of the partners that have most, by code; null for a key of several agencies"
    )
    max_meta_bytes: int
    max_import_bytes: int
    max_page_rows: int
    max_wait_seconds: int
    max_lease_seconds: int
    calls_per_second: float | None = Field(
        description="Calls per second that one key may make over time; null: no limit. One address may make four "
        "times as many. Above the limit: 429 with Retry-After"
    )
    calls_at_once: int | None = Field(description="Calls that one key may make at once after a pause")
    file_types: list[str]
    lead_types: list[str]


class Word(ResponseModel):
    """One key with its texts."""

    key: str
    vi: str
    en: str


class StatusCode(Word):
    code: str
    track: str
    set_by: str


class Codes(ResponseModel):
    """Tables of keys and codes, with their texts."""

    statuses: list[StatusCode]
    states: list[Word]
    inbox_states: list[Word]
    handovers: list[Word]
    packets: list[Word]
    reasons: list[Word]
    types: list[Word]
    urgencies: list[Word]
    roles: list[Word]
    file_roles: list[Word]
    delivery_modes: list[Word]
    kinds: list[Word]


ROUTES = Routes("node")


@ROUTES(
    "GET /me",
    "The caller: its agency, and the rights of its key",
    text="Call it first: it proves key and address, and names the agencies for `X-Agency`.",
)
async def read_me(call: Call) -> Me:
    caller = call.caller
    return Me.from_object(
        caller.key,
        caller.key.principal,
        key=caller.key.id,
        scopes=sorted(caller.key.scopes),
        networks=[str(n) for n in caller.key.networks],
        agencies=caller.agencies,
        agency=caller.agency.code if caller.agency else None,
        certificate=CertificateBound.from_object(certificate, expires_at=certificate.ends_at)
        if (certificate := caller.key.certificate) is not None
        else None,
    )


class CallsQuery(PageQuery):
    errors: bool = Field(False, description="`true`: only calls answered with 400 or more")


class CallOut(ResponseModel):
    """One call of this key, without its content."""

    id: str
    at: Moment
    method: str
    route: str
    status: int
    took_ms: int
    problem: str = Field(description="The slug of the refusal; empty for a call that went well")
    address: str
    request_id: str
    trace_id: str = Field(description="Trace of the call's `traceparent`, or the one that the call began")


class Calls(PageOut[CallOut]):
    """One page, the newest first."""


@ROUTES(
    "GET /me/calls",
    "Calls of this key, the newest first",
    text="Calls are kept for as long as the operator has set. They contain no content and no secrets.",
)
async def list_calls(call: Call, query: CallsQuery) -> Calls:
    call_log = call.deps.calls
    api_calls = (
        await call_log.list_calls(
            call.caller.key.id, query.limit + 1, errors=query.errors, before_id=query.cursor or ""
        )
        if call_log is not None
        else ()
    )
    rows = [CallOut.from_object(c) for c in api_calls[: query.limit]]
    cursor = call.next_page(rows[-1].id if len(api_calls) > query.limit else None)
    return Calls.paged(rows, cursor)


def _largest(sizes: Mapping[str, int]) -> Mapping[str, int]:
    largest = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:20]
    return {code.upper(): size for code, size in largest}


@ROUTES(
    "GET /limits",
    "Sizes, counts and file types",
    text="They may differ by agency and change with the node's settings; ask again after a 413 or 429.",
)
async def read_limits(call: Call) -> Limits:
    profile, options = call.deps.out.profile, call.deps.options
    budget, agencies = call.deps.out.unsent, call.caller.key.agency_ids
    partners = call.deps.inn.partners.budget
    return Limits.from_object(
        profile,
        max_files=options.max_parts - 1,
        max_unsent_bytes=budget.limit or None,
        unsent_bytes=(await budget.used(agencies[0])).get(OWN, 0) if len(agencies) == 1 else None,
        max_partner_bytes=int(partners.limit * partners.share()) or None,
        partners=_largest(await partners.used(agencies[0])) if len(agencies) == 1 else None,
        max_meta_bytes=options.meta_bytes,
        max_import_bytes=options.import_bytes,
        max_page_rows=MOST_ROWS,
        max_wait_seconds=int(options.poll_s),
        max_lease_seconds=options.lease_s,
        calls_per_second=options.rate_per_s,
        calls_at_once=None if options.rate_per_s is None else options.burst,
        file_types=sorted(profile.allowed_types),
        lead_types=sorted(profile.lead_types),
    )


@ROUTES(
    "GET /codes",
    "Tables of states, types, urgency and reasons, with texts in both languages",
    text="For your own screens. A later version may add words; bear unknown ones.",
)
async def read_codes(call: Call) -> Codes:
    return Codes(
        statuses=_statuses(),
        states=_words("state", STATES),
        inbox_states=_words("state.in", InState),
        handovers=_words("handover"),
        packets=_words("packet"),
        reasons=_words("reason"),
        types=_words("type"),
        urgencies=_words("urgency"),
        roles=_words("role"),
        file_roles=_words("file_role"),
        delivery_modes=_words("delivery"),
        kinds=_words("kind"),
    )


@ROUTES(
    "GET /openapi.json",
    "This description (OpenAPI 3.1)",
    text="For making clients; `servers` is the address at which it was asked.",
    open=True,
)
async def read_openapi(call: Call) -> web.Response:
    description = await call.deps.pool.run(call.request.app[DOCUMENT])
    own_server = {"servers": [{"url": origin(call.request)}]}
    return call.tell_text(json.dumps({**description, **own_server}, ensure_ascii=False))


def _statuses() -> list[StatusCode]:
    words: Mapping[str, tuple[str, str]] = {key: (vi, en) for key, vi, en in table("state", STATES)}
    return [StatusCode.from_object(row, vi=words[row.key][0], en=words[row.key][1]) for row in CODES.values()]


def _words(prefix: str, keys: Iterable[str] = ()) -> list[Word]:
    return [Word(key=key, vi=vi, en=en) for key, vi, en in table(prefix, keys)]
