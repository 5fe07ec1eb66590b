"""Page on which strangers ask, without signing in, whether a document was issued here: by its file, whose digest a browser
computes, by the digest, or by the link of a printed slip. In: a SHA-256. Out: one word, the issuing agency, the days of
issue and recall, the number of the document in its place. The same address answers programs in JSON."""

from __future__ import annotations

import math

from aiohttp import web

from gateway import time_source
from gateway.domain.identity import Digest
from gateway.errors import NotFound
from gateway_office.policy.issued import IssuedAnswer, IssuedWord, judge
from gateway_office.store.issued import load_issued
from gateway_office.web.addresses import url_for
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.routes import Access, get

PATH = "/xac-minh"
# Reading takes some milliseconds: each answer takes this long, so that its time does not tell a secret document from none.
LEAST_S = 0.1
_DIGEST = "ma"
_TONES = {IssuedWord.ISSUED: "good", IssuedWord.UNKNOWN: "unknown"}


def link_of(request: PageRequest, digest: str) -> str:
    """Return the address that asks about a digest, for paper; empty where the page is off, or the pages have no address."""
    address, pages = request.deps.settings.accounts.address.rstrip("/"), request.deps.settings.pages
    return address + url_for(PATH, **{_DIGEST: digest}) if address and pages.verification == "on" else ""


async def ask_issuer(request: PageRequest) -> web.StreamResponse:
    if request.deps.settings.pages.verification == "off":
        raise NotFound("there is no such page")
    text = request.ask(_DIGEST)
    if not text:
        return await _page(request, text)
    try:
        digest = Digest("".join(text.split()).lower())
    except ValueError:
        return await _page(request, text, problem=request.say("issued.digest.wrong"), status=422)
    wait_s = request.deps.questions.take(request.deps.entry.address(request.http))
    if wait_s:
        seconds = math.ceil(wait_s)
        page = await _page(request, digest, problem=request.say("issued.wait", seconds=seconds), status=429)
        page.headers["Retry-After"] = str(seconds)
        return page
    started_at = time_source.monotonic()
    answer = judge(await load_issued(request.deps.store, digest))
    await request.deps.clock.sleep(max(0.0, started_at + LEAST_S - time_source.monotonic()))
    return await _page(request, digest, answer)


async def _page(
    request: PageRequest,
    digest: str,
    answer: IssuedAnswer | None = None,
    *,
    problem: str = "",
    status: int = 200,
) -> web.Response:
    names = {agency.id: agency.name for agency in await request.deps.store.hosted()}
    agency = names.get(answer.agency_id, "") if answer else ""
    if "application/json" in request.http.headers.get("Accept", ""):
        return _json_answer(agency, answer, problem, status)
    title = request.say("issued.title")
    page = await request.page(
        "entry/issued.html",
        status,
        title=f"{request.say(f'issued.word.{answer.word}')} – {title}" if answer else title,
        problems=[(_DIGEST, problem)] if problem else [],
        digest=digest,
        answer=answer,
        agency=agency,
        tone=_TONES.get(answer.word, "warn") if answer else "",
    )
    page.headers["X-Robots-Tag"] = "noindex"
    return page


def _json_answer(agency: str, answer: IssuedAnswer | None, problem: str, status: int) -> web.Response:
    body = {"problem": problem}
    if answer is not None:
        days = {"issued_on": answer.issued_on, "recalled_on": answer.recalled_on}
        body = {"word": answer.word.value, "agency": agency, "replaced_by": answer.replaced_by}
        body |= {name: day.isoformat() if day else "" for name, day in days.items()}
    return web.json_response(body, status=status, headers={"Cache-Control": "no-store"})


ROUTES = (get(PATH, "issued", ask_issuer, access=Access.ANYBODY),)
