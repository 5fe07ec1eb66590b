"""Make every failure an `application/problem+json` (RFC 9457), with all its reasons and in the reader's language. In: an
error of the tree, one of aiohttp's own, or a `BadCall`. Out: a `Problem` and its answer. One table maps error classes to
statuses; texts never decide. Never a stack trace."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from aiohttp import web

from gateway import errors
from gateway.api.words import Lang, fault_text, reason_text, say
from gateway.domain.request_fault import BadCall, RequestFault, pointer
from gateway.policy.verdict import CONFIRMABLE, Reason, ReasonCode, Verdict
from gateway.words import labels
from gateway.words.legal import basis_of_code

MEDIA = "application/problem+json"
PAGES = "/problems/"
_SIZES = frozenset({ReasonCode.FILE_TOO_LARGE, ReasonCode.DOCUMENT_TOO_LARGE})
_RETRY_AFTER_S = "5"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemSort:
    """One kind of problem: its slug (the last step of its type), its status, the label of its title, and whether the same
    call may succeed later. `is_public` is False where the cause is internal and only logged."""

    slug: str
    status: int
    label: str
    retryable: bool = False
    is_public: bool = True


# Refusals of the API itself, and of aiohttp before it.
OWN_SORTS: Mapping[str, ProblemSort] = MappingProxyType(
    {
        slug: ProblemSort(slug=slug, status=status, label=f"problem.{slug}", retryable=retryable)
        for slug, status, retryable in (
            ("bad-request", 400, False),
            ("bad-json", 400, False),
            ("bad-body", 400, True),
            ("bad-multipart", 400, False),
            ("bad-folder", 400, False),
            ("missing-field", 422, False),
            ("bad-file", 422, False),
            ("key-missing", 400, False),
            ("agency-needed", 400, False),
            ("unauthorized", 401, False),
            ("forbidden", 403, False),
            ("no-such-page", 404, False),
            ("method-not-allowed", 405, False),
            ("too-slow", 408, True),
            ("still-running", 409, True),
            ("cursor-gone", 410, False),
            ("too-large", 413, False),
            ("unsupported-media", 415, False),
            ("no-such-part", 416, False),
            ("too-many-calls", 429, True),
            ("expectation-failed", 417, False),
            ("idempotency-other", 422, False),
            ("not-well", 503, True),
            ("http", 400, False),
        )
    }
)

_TEXT, _COUNT = {"type": "string"}, {"type": "integer", "minimum": 0}
# Failures that carry fields of their own: the name of their schema, their codes, and those fields (docs/errors.md says what
# they mean). Any: a JSON schema.
OWN_FIELDS: Sequence[tuple[str, Sequence[str], Mapping[str, Mapping[str, Any]]]] = (
    (
        "NumberTakenProblem",
        ("GW-NUMBER-TAKEN",),
        {
            "number": _TEXT | {"description": "The arrival number that was asked for"},
            "year": _TEXT | {"description": "Year of the book"},
            "held_by": _TEXT
            | {"description": "Id of the document that has the number; empty for a line without one"},
            "of": _TEXT | {"description": "Number and symbol of that document"},
            "sender": _TEXT | {"description": "Its sender"},
            "next_free": _TEXT | {"description": "The next number that is free; `–` where it cannot be told"},
        },
    ),
    (
        "NumberGivenProblem",
        ("GW-REGISTERED", "GW-BOOK-GIVES"),
        {
            "register_no": {
                "type": ["string", "null"],
                "description": "Arrival number that the document has",
            },
            "register_year": {"type": ["integer", "null"], "description": "Year of that number"},
        },
    ),
    (
        "NumberStateProblem",
        ("GW-NUMBER-STATE",),
        {"state": _TEXT | {"description": "Present state of the number"}},
    ),
    (
        "OtherDocumentProblem",
        ("GW-EXTERNAL-ID", "GW-PACKET-ID", "GW-RECALL-OTHER"),
        {"existing": _TEXT | {"description": "Id of the document that stands in the way"}},
    ),
    (
        "UnsentProblem",
        ("GW-UNSENT",),
        {
            "used": _COUNT | {"description": "Unsent bytes that the agency keeps"},
            "allowed": _COUNT | {"description": "Unsent bytes that it may keep"},
            "used_mb": _COUNT,
            "allowed_mb": _COUNT,
        },
    ),
    (
        "ConfirmProblem",
        ("GW-CONFIRM",),
        {
            "confirm": {
                "type": "array",
                "items": {"type": "string", "x-extensible-enum": sorted(CONFIRMABLE)},
                "description": "Codes that a person may accept: send it again with these in `confirm`",
            }
        },
    ),
    (
        "NotWellProblem",
        ("GW-503-NOT-WELL",),
        {
            "checks": {
                "type": "object",
                "additionalProperties": _TEXT,
                "description": "What was looked at, with its state",
            }
        },
    ),
)
_BY_STATUS = {401: "unauthorized", 403: "forbidden", 404: "no-such-page", 405: "method-not-allowed"}
_BY_STATUS |= {408: "too-slow", 413: "too-large", 415: "unsupported-media", 416: "no-such-part"}
_BY_STATUS |= {417: "expectation-failed"}


def _sort(slug: str, status: int, kind: type[errors.GatewayError], *, public: bool = True) -> ProblemSort:
    """Make a kind of problem, with words for programs where those for people speak of pages."""
    own_label = f"problem.{slug}"
    label = own_label if labels.has(own_label) else kind.label_key
    return ProblemSort(slug=slug, status=status, label=label, retryable=not kind.permanent, is_public=public)


# Every class of gateway/errors.py; a test finds a subclass that is missing here.
SORTS: Mapping[type[errors.GatewayError], ProblemSort] = MappingProxyType(
    {
        kind: _sort(slug, status, kind, public=status < 500)
        for kind, slug, status in (
            (errors.GatewayError, "internal", 500),
            (errors.Refused, "refused", 422),
            (errors.InvalidEnvelope, "invalid-envelope", 422),
            (errors.MalformedXml, "malformed-xml", 422),
            (errors.BadSignature, "bad-signature", 422),
            (errors.UntrustedSigner, "untrusted-signer", 422),
            (errors.SignerMismatch, "signer-mismatch", 422),
            (errors.UnknownSender, "unknown-sender", 422),
            (errors.CannotTell, "cannot-tell", 503),
            (errors.Unactionable, "unactionable", 422),
            (errors.CannotOpen, "cannot-open", 422),
            (errors.NotForUs, "not-for-us", 422),
            (errors.Malware, "malware", 422),
            (errors.BreaksRule, "breaks-rule", 422),
            (errors.DeclaredSecret, "declared-secret", 423),
            (errors.Waiting, "waiting", 409),
            (errors.Duplicate, "duplicate", 409),
            (errors.Conflict, "conflict", 409),
            (errors.OtherContent, "other-content", 409),
            (errors.TransportFailure, "transport-failure", 503),
            (errors.Unreachable, "axis-unreachable", 503),
            (errors.BrokerRefused, "axis-refused", 502),
            (errors.SignerDown, "signer-down", 503),
            (errors.StoreFailure, "store-failure", 503),
            (errors.OverBudget, "over-budget", 507),
            (errors.StaleVersion, "stale-version", 412),
            (errors.StaleLease, "stale-lease", 409),
            (errors.AlteredContent, "altered-content", 500),
            (errors.MissingContent, "missing-content", 503),
            (errors.ContentStoreDown, "content-store-down", 503),
            (errors.InMaintenance, "maintenance", 503),
            (errors.ScannerDown, "scanner-down", 503),
            (errors.NotFound, "not-found", 404),
            (errors.Clash, "clash", 409),
            (errors.BadForm, "bad-form", 400),
            (errors.Denied, "denied", 401),
            (errors.InvalidProof, "invalid-proof", 422),
            (errors.Misconfigured, "misconfigured", 500),
        )
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One failure in the form of its answer."""

    sort: ProblemSort
    code: str
    detail: str
    errors: Sequence[Mapping[str, object]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, object] = field(default_factory=dict)

    @property
    def status(self) -> int:
        return self.sort.status


def of_error(error: errors.GatewayError, lang: Lang) -> Problem:
    """Return the problem of an error of the tree: by its class, and for a refusal by its verdict."""
    sort = next(SORTS[kind] for kind in type(error).__mro__ if kind in SORTS)
    if isinstance(error, errors.Refused):
        return _of_refusal(error, sort, lang)
    if isinstance(error, errors.Denied):
        sort = OWN_SORTS["unauthorized" if error.code.startswith("GW-401") else "forbidden"]
    headers = {"WWW-Authenticate": 'Bearer realm="gateway"'} if sort.status == 401 else {}
    if error.code == "GW-IDEM-RUNNING":
        sort = OWN_SORTS["still-running"]
    if sort.retryable:
        headers["Retry-After"] = str(error.params.get("seconds", _RETRY_AFTER_S))
    field = error.field if isinstance(error, errors.BadForm) else ""
    if field:
        sort = OWN_SORTS["bad-request"]
    more: dict[str, object] = {"cause": error.detail} if sort.is_public and error.detail else {}
    if isinstance(error, errors.Clash):
        more |= error.params
    detail = _detail(sort, error, lang)
    fault = {"pointer": pointer(*field.split("/")), "code": error.code, "detail": detail, "suggest": None}
    return Problem(
        sort=sort,
        code=error.code,
        detail=detail,
        errors=(fault,) if field else (),
        headers=headers,
        more=more,
    )


def of_bad_call(bad: BadCall, lang: Lang) -> Problem:
    """Return the problem of a malformed call."""
    sort = OWN_SORTS[bad.slug]
    faults = [_of_fault(fault, lang) for fault in bad.faults]
    text = say(f"{sort.label}.text", lang, **bad.params)
    return Problem(
        sort=sort,
        code=code_of_slug(bad.slug),
        detail=str(faults[0]["detail"]) if len(faults) == 1 else text,
        errors=faults,
        headers=bad.headers,
        more=bad.more,
    )


def code_of_slug(slug: str) -> str:
    """Return the code of a refusal of the API itself."""
    return f"GW-{OWN_SORTS[slug].status}-{slug.upper()}"


def of_http(error: web.HTTPException, lang: Lang) -> Problem:
    """Return the problem of an answer that aiohttp gave by itself: no such page, no such method, too large."""
    slug = _BY_STATUS.get(error.status, "http")
    sort = OWN_SORTS[slug]
    if slug == "http":
        sort = ProblemSort(slug=slug, status=error.status, label=sort.label)
    allow = {name: error.headers[name] for name in ("Allow", "Content-Range") if name in error.headers}
    return Problem(
        sort=sort,
        code=f"GW-{error.status}",
        detail=say(f"{OWN_SORTS[slug].label}.text", lang),
        headers=allow,
    )


def of_surprise(lang: Lang) -> Problem:
    """Return the problem of an unforeseen error: the caller learns only the request id."""
    sort = SORTS[errors.GatewayError]
    return Problem(sort=sort, code=errors.GatewayError.code, detail=say(sort.label, lang))


def body_of(problem: Problem, request_id: str, path: str, lang: Lang) -> dict[str, object]:
    """Return the members of the answer."""
    return {
        "type": PAGES + problem.sort.slug,
        "title": say(problem.sort.label, lang),
        "status": problem.status,
        "detail": problem.detail,
        "instance": path,
        "code": problem.code,
        "request_id": request_id,
        "retryable": problem.sort.retryable,
        "errors": list(problem.errors),
        **problem.more,
    }


def answer(problem: Problem, request_id: str, path: str, lang: Lang) -> web.Response:
    """Make the HTTP answer."""
    return web.Response(
        status=problem.status,
        text=json.dumps(body_of(problem, request_id, path, lang), ensure_ascii=False),
        content_type=MEDIA,
        headers={"Content-Language": lang, **problem.headers},
    )


def sorts() -> Mapping[str, ProblemSort]:
    """Return every kind of problem by its slug, for the pages that explain them."""
    return {sort.slug: sort for sort in (*SORTS.values(), *OWN_SORTS.values())}


def reasons_json(reasons: Sequence[Reason], lang: Lang) -> list[dict[str, object]]:
    """Describe every broken rule with its sentence."""
    return [
        {
            "pointer": r.pointer,
            "code": str(r.code),
            "detail": reason_text(r, lang),
            "suggest": r.suggest,
            "basis": basis_of_code(r.code, lang) or None,
        }
        for r in reasons
    ]


def _of_refusal(error: errors.Refused, sort: ProblemSort, lang: Lang) -> Problem:
    """Describe every broken rule. Sizes alone are 413, because a smaller file would pass."""
    reasons = error.verdict.reasons if isinstance(error.verdict, Verdict) else ()
    codes = {str(reason.code) for reason in reasons}
    code = error.code
    if codes and codes <= {str(size) for size in _SIZES}:
        sort, code = OWN_SORTS["too-large"], "GW-413"
    elif codes == {"idempotency-other"} or error.code == "GW-IDEM-OTHER":
        sort, code = OWN_SORTS["idempotency-other"], "GW-IDEM-OTHER"
    confirmable = sorted(codes & CONFIRMABLE)
    if confirmable and codes <= CONFIRMABLE:
        code = "GW-CONFIRM"
    faults = reasons_json(reasons, lang)
    detail = str(faults[0]["detail"]) if len(faults) == 1 else say("problem.many", lang, n=len(faults))
    more = {"confirm": confirmable} if confirmable else {}
    return Problem(sort=sort, code=code, detail=detail, errors=faults, more=more)


def _detail(sort: ProblemSort, error: errors.GatewayError, lang: Lang) -> str:
    """Return the detail: the error's own English sentence, or the label's, since errors have no Vietnamese."""
    if lang == "en" and sort.is_public and error.detail:
        return error.detail
    if labels.has(f"clash.{error.code}"):
        return say(f"clash.{error.code}", lang, **error.params)
    if isinstance(error, errors.InvalidEnvelope) and labels.has(f"code.{error.code}"):
        return say(
            "problem.envelope-root" if "root" in error.params else f"code.{error.code}", lang, **error.params
        )
    return say(f"{sort.label}.text" if sort.slug in OWN_SORTS else sort.label, lang)


def _of_fault(fault: RequestFault, lang: Lang) -> dict[str, object]:
    return {
        "pointer": fault.pointer,
        "code": fault.code,
        "detail": fault_text(fault.code, fault.params, lang, fault.pointer),
        "suggest": fault.suggest,
    }
