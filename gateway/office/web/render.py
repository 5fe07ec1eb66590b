"""Makes HTML of templates. In: a visit and values. Out: an answer under a policy that lets nothing run or load but what the
node itself serves, and scripts and styles only by a number used once. Times and sizes are written as people read them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context

from gateway.domain import networks
from gateway.domain.fields import CHANGE, DRAFT, STATUS
from gateway.domain.wall_clock import local
from gateway.office.web.moments import clock, moment
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.office.web.visit import Visit

STATIC: Mapping[str, str] = {
    "compose.js": "text/javascript",
    "gateway.css": "text/css",
    "gateway.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "icon.svg": "image/svg+xml",
    "lists.js": "text/javascript",
    "print.js": "text/javascript",
}
# Texts that leave the agency, by what they belong to.
TEXTS = {"draft": DRAFT, "change": CHANGE, "status": STATUS}


@lru_cache(maxsize=1)
def pages() -> Environment:
    """The one environment of the pages' templates."""
    made = Environment(
        loader=PackageLoader("gateway.office.web", "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "day": _day,
        "moment": moment,
        "network": networks.shown,
        "clock": _clock,
        "iso": lambda at: at.isoformat() if at is not None else "",
        "size": pass_context(lambda context, count: labels.kilobytes(count, context["lang"])),
        "figure": pass_context(lambda context, count: figure(count, context["lang"])),
        "tenths": pass_context(lambda context, value: tenths(value, context["lang"])),
        "left": pass_context(lambda context, left: labels.time_left(left, context["lang"])),
    }
    made.globals["asset"] = asset
    made.globals["longest"] = longest
    return made


def longest(table: str, path: str) -> int:
    """How many characters the text of that path takes."""
    return TEXTS[table][path].longest


def answer(visit: Visit, template: str, status: int, /, **values: Any) -> web.Response:
    text = (
        pages()
        .get_template(template)
        .render(
            v=visit, say=visit.say, lang=visit.lang, nonce=visit.nonce, now=visit.deps.clock.now(), **values
        )
    )
    response = web.Response(status=status, text=text, content_type="text/html", charset="utf-8")
    response.headers.update(headers(visit.nonce, visit.lang))
    return response


def headers(nonce: str, lang: str) -> dict[str, str]:
    """Of every page: what it may load, that nobody keeps it, that nobody frames it."""
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
    """The address of a static file; it changes with its bytes, so that a browser may keep it for ever."""
    return f"/static/{name}?v={hashlib.sha256(static(name)).hexdigest()[:12]}"


@lru_cache(maxsize=16)
def static(name: str) -> bytes:
    return (resources.files("gateway.office.web") / "static" / name).read_bytes()


def figure(count: int, lang: str) -> str:
    """1.204.331 in Vietnamese, 1,204,331 in English."""
    text = f"{count:,}"
    return text.replace(",", ".") if lang == "vi" else text


def tenths(value: float, lang: str) -> str:
    """12,5 in Vietnamese, 12.5 in English."""
    text = f"{value:.1f}"
    return text.replace(".", ",") if lang == "vi" else text


def _day(value: date | datetime | str | None) -> str:
    """20/11/2026, in both languages: a page of dates reads one way."""
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        value = date.fromisoformat(value[:10])
    if isinstance(value, datetime):
        value = local(value).date()
    return value.strftime("%d/%m/%Y")


@pass_context
def _clock(context: Context, at: datetime | None) -> str:
    return clock(at, context["now"])
