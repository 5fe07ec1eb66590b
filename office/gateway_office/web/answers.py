"""Answers to a browser: a page, a file, or words about a failure. In: a request and values; a name, the type that the node
found in a file, and its bytes as they come; an error of the one tree. Out: HTML of templates under a policy that lets
nothing run or load but what the node itself serves, and scripts and styles only by a number used once, with times and sizes
as people read them; a download, or, of a PDF by its content and nothing else, a view inside a page of this node: a browser
may run nothing of it, guess no other type and show it to no other site (threats.md 77 to 79); the status and the words:
what happened, why, what to do. A stack trace is for the log alone."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from importlib import resources
from typing import BinaryIO

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context

from gateway import errors
from gateway.api import downloads
from gateway.document_view import seals
from gateway.domain import account
from gateway.domain.document import IncomingDocument, OutgoingDocument, Signer
from gateway.domain.fields import CHANGE, DRAFT, STATUS
from gateway.domain.wall_clock import local
from gateway.policy import etsi
from gateway.policy.verdict import Reason, Verdict
from gateway.ports.services import Pool
from gateway.words import labels
from gateway.words.legal import basis_of_codes
from gateway_office.web import icons
from gateway_office.web.dates import clock_text, day_text, moment_text

STATIC: Mapping[str, str] = {
    "compose.js": "text/javascript",
    "digest.js": "text/javascript",
    "gateway.css": "text/css",
    "gateway.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
# Read by browsers as one: a page asks for few files.
SCRIPTS = ("gateway.js", "bell.js", "pane.js", "lists.js", "agencies.js", "print.js")
# Texts that leave the agency: those of a draft, of a change, of a status.
TEXTS = {"draft": DRAFT, "change": CHANGE, "status": STATUS}
DOWNLOAD_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
# The browser's own viewer is a plugin of the same origin with styles of its own; everything else stays shut.
_VIEW_POLICY = (
    "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; img-src data: blob:; "
    "frame-ancestors 'self'"
)
_FIRST = b"%PDF-"
PDF = "pdf"
# By the short words of the inspector. Other types are given as bytes.
_TYPES = {
    PDF: "application/pdf",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "zip": "application/zip",
}
# The nearest class up the tree decides.
_STATUS: Mapping[type[errors.GatewayError], int] = {
    errors.GatewayError: 500,
    errors.BadForm: 400,
    errors.NotFound: 404,
    errors.Denied: 403,
    errors.Refused: 422,
    errors.Unactionable: 422,
    errors.BreaksRule: 422,
    errors.DeclaredSecret: 422,
    errors.InvalidEnvelope: 422,
    errors.InvalidProof: 422,
    errors.Clash: 409,
    errors.OverBudget: 507,
    errors.Duplicate: 409,
    errors.Conflict: 409,
    errors.OtherContent: 409,
    errors.StaleVersion: 409,
    errors.CannotTell: 503,
    errors.Waiting: 503,
    errors.SignerDown: 503,
    errors.ScannerDown: 503,
    errors.TransportFailure: 503,
    errors.StoreFailure: 503,
    errors.AlteredContent: 500,
}


def bare_templates(*, enable_async: bool = False) -> Environment:
    """Make the templates without the words and figures that a person's page has."""
    environment = Environment(
        loader=PackageLoader("gateway_office.web", "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        enable_async=enable_async,
    )
    environment.globals |= {
        "icon": icons.icon,
        "sign": icons.sign,
        "drawn_once": icons.drawn_once,
        "same_sign": icons.same_sign,
        "state_class": icons.state_class,
        "state_icon": icons.state_icon,
        "menu_icon": icons.menu_icon,
    }
    return environment


@lru_cache(maxsize=1)
def templates() -> Environment:
    """Return the one environment of the pages' templates."""
    environment = bare_templates()
    environment.filters |= {
        "day": _day,
        "moment": moment_text,
        "etsi": etsi.conclude,
        "second": lambda at: f"{local(at):%H:%M:%S}",
        "network": account.shown_network,
        "clock": pass_context(lambda context, at: clock_text(at, context["now"])),
        "iso": lambda at: at.isoformat() if at is not None else "",
        "size": pass_context(lambda context, count: labels.kilobytes(count, context["lang"])),
        "figure": pass_context(lambda context, count: figure(count, context["lang"])),
        "tenths": pass_context(lambda context, value: tenths(value, context["lang"])),
        "span": pass_context(lambda context, length: labels.span(length, context["lang"])),
        "signed": _signed,
        "whose": pass_context(lambda context, signer: seals.signer_text(signer, context["lang"])),
        "sealed_by": pass_context(_seal_of),
        "worth": pass_context(_worth_of),
    }
    environment.globals["asset"] = asset
    environment.globals["longest"] = longest_text
    return environment


def _signed(signer: Signer) -> str:
    """Write title, name and, in brackets, competence: as offices write it."""
    competence = f"({signer.competence})" if signer.competence else None
    return " ".join(filter(None, (signer.title, signer.name, competence)))


def _seal_of(context: Context, document: IncomingDocument | OutgoingDocument) -> str:
    """Say whose seal the document has; empty where none was compared."""
    return seals.seal_text(seals.lead_verdict(document), context["lang"])


def _worth_of(context: Context, document: IncomingDocument | OutgoingDocument) -> str:
    """Say what the document is worth beside paper."""
    return seals.value_text(document.legal_value, seals.lead_verdict(document), context["lang"])


def longest_text(table: str, path: str) -> int:
    """Return the most characters that the text of that path takes."""
    return TEXTS[table][path].longest


def page_headers(nonce: str, lang: str) -> dict[str, str]:
    """Return the headers of every page: a policy of what it loads, no storing, no framing."""
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self'; connect-src 'self'; "
        "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Content-Language": lang,
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
    }


@lru_cache(maxsize=16)
def asset(name: str) -> str:
    """Return the address of a static file; it changes with its bytes, so that a browser may keep it for ever."""
    return f"/static/{name}?v={hashlib.sha256(static_bytes(name)).hexdigest()[:12]}"


@lru_cache(maxsize=16)
def static_bytes(name: str) -> bytes:
    """Read a file of ours as browsers get it: stylesheet and scripts without comments, blank lines and indentation."""
    names = SCRIPTS if name == SCRIPTS[0] else (name,)
    raw = b"".join((resources.files("gateway_office.web") / "static" / part).read_bytes() for part in names)
    kind = name.rpartition(".")[2]
    if kind == "css":
        first, *parts = raw.split(b"/*")
        raw = first + b"".join(part.partition(b"*/")[2] for part in parts)
    # A comment of a script has a line of its own, and no text has several lines.
    lines = [line.strip() for line in raw.splitlines()] if kind in ("css", "js") else [raw]
    return b"\n".join(line for line in lines if line and not (kind == "js" and line.startswith(b"//")))


def figure(count: int, lang: str) -> str:
    """Write 1.204.331 in Vietnamese, 1,204,331 in English."""
    text = f"{count:,}"
    return text.replace(",", ".") if lang == "vi" else text


def tenths(value: float, lang: str) -> str:
    """Write 12,5 in Vietnamese, 12.5 in English."""
    text = f"{value:.1f}"
    return text.replace(".", ",") if lang == "vi" else text


def _day(value: date | datetime | str | None) -> str:
    """Write 20/11/2026, in both languages: a page of dates reads one way."""
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        value = date.fromisoformat(value[:10])
    return day_text(local(value) if isinstance(value, datetime) else value)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """Bytes to give out; `pieces` is read once. `found_type` is what the inspector calls them, in its short words."""

    name: str
    found_type: str
    pieces: AsyncIterator[bytes]
    size: int | None = None
    sha256: str | None = None


def can_show(found_type: str | None) -> bool:
    """Tell whether a page may show it; other types are only given as a download."""
    return found_type == PDF


async def give_file(
    request: web.Request, content: FileContent, *, inline: bool = False
) -> web.StreamResponse:
    """Give a file; a missing one becomes a page that says so. `inline` shows it where it is a PDF."""

    def headers_of(first: bytes) -> dict[str, str]:
        is_shown = inline and can_show(content.found_type) and first.startswith(_FIRST)
        headers = file_headers(content.name, content.found_type, is_shown=is_shown)
        return headers if content.sha256 is None else headers | {"X-Content-SHA256": content.sha256}

    return await downloads.send_file(request, content.pieces, headers_of, content.size)


def whole_file(name: str, found_type: str, body: bytes) -> web.Response:
    """Give bytes that were made in memory, as a download."""
    return web.Response(body=body, headers=file_headers(name, found_type))


def file_headers(name: str, found_type: str, *, is_shown: bool = False) -> dict[str, str]:
    """Make the headers of a file; `is_shown` is for a PDF alone."""
    return {
        "Content-Type": _TYPES.get(found_type, "application/octet-stream"),
        "Content-Disposition": downloads.disposition(name, "inline" if is_shown else "attachment"),
        "Content-Security-Policy": _VIEW_POLICY if is_shown else DOWNLOAD_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
    }


def picture_headers(etag: str | None) -> dict[str, str]:
    """Make the headers of a page's picture. With a tag the browser keeps it and asks each time whether it still may show
    it; without one it keeps nothing."""
    headers = {
        "Content-Type": "image/webp",
        "Content-Security-Policy": DOWNLOAD_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store" if etag is None else "private, no-cache",
        "Referrer-Policy": "no-referrer",
    }
    return headers if etag is None else headers | {"ETag": etag}


async def file_content(pool: Pool, file: BinaryIO, name: str, found_type: str) -> FileContent:
    """Describe the content of a scratch file, from its beginning."""
    size = await pool.run(lambda: file.seek(0, 2))
    await pool.run(lambda: file.seek(0))
    return FileContent(name=name, found_type=found_type, size=size, pieces=downloads.read(pool, file))


async def beginning_of(pieces: AsyncIterator[bytes], most: int) -> tuple[str, bool]:
    """Read so many bytes as text, and tell whether there are more."""
    content = bytearray()
    async for piece in pieces:
        content += piece
        if len(content) > most:
            break
    return content[:most].decode("utf-8", "replace"), len(content) > most


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """`reasons` are all broken rules, each with the field it is about, `basis` the articles that they rest on; `hint` says
    what to do, where that is known."""

    status: int
    title: str
    code: str
    detail: str = ""
    reasons: tuple[tuple[str, str], ...] = ()
    basis: str = ""
    hint: str = ""


def failure_of(error: errors.GatewayError, lang: str) -> Failure:
    keys = (f"code.{error.code}", f"clash.{error.code}", error.label_key)
    params = error.params if isinstance(error, errors.Clash) else {}
    cure, retry_hint = f"page.cure.{error.code}", "" if error.permanent else "page.cure.again"
    hint = cure if labels.has(cure) else retry_hint
    return Failure(
        status=next(_STATUS[cls] for cls in type(error).__mro__ if cls in _STATUS),
        title=labels.say(next(key for key in keys if labels.has(key)), lang, **params),
        code=error.code,
        # The sentence of an error is English, for engineers; a clerk reads the title and the reasons.
        detail=str(error) if lang == "en" else "",
        reasons=reasons_of(error, lang),
        basis=basis_of_codes((reason.code for reason in _broken_rules(error)), lang),
        hint=labels.say(hint, lang) if hint else "",
    )


def reasons_of(error: errors.GatewayError, lang: str) -> tuple[tuple[str, str], ...]:
    """List every broken rule: the field's pointer and the sentence."""
    return tuple(
        (reason.pointer, labels.reason_text(reason.code, reason.params, lang, suggest=reason.suggest))
        for reason in _broken_rules(error)
    )


def _broken_rules(error: errors.GatewayError) -> Sequence[Reason]:
    return (
        error.verdict.reasons
        if isinstance(error, errors.Refused) and isinstance(error.verdict, Verdict)
        else ()
    )


def failure_of_status(status: int, lang: str) -> Failure:
    """Describe a failure that the server reports by a number alone."""
    key = f"page.http.{status}"
    return Failure(
        status=status,
        title=labels.say(key if labels.has(key) else "error.internal", lang),
        code=f"HTTP-{status}",
    )


def failure_of_surprise(lang: str) -> Failure:
    return Failure(status=500, title=labels.say("error.internal", lang), code=errors.GatewayError.code)
