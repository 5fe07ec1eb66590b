"""The door of the pages: turns one row of the route table into a handler of the server. Who it is, whether they may,
whether the form is really theirs, then the row's own handler; whatever goes wrong becomes a page that helps. Also
what browsers are asked to keep: the session, which no script may read, and choices about how pages look."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlsplit

from aiohttp import web

from gateway import errors
from gateway.api.app import REQUEST_ID
from gateway.errors import Denied, GatewayError, NotFound
from gateway.office.accounts import sessions
from gateway.office.domain.session import SignInDuty
from gateway.office.web import answers, forms
from gateway.office.web.answers import Failure
from gateway.office.web.deps import WebDeps
from gateway.office.web.routes import FormBody, PageRoute, Who
from gateway.office.web.visits import Visit
from gateway.words import labels

_LOG = logging.getLogger(__name__)

COOKIE = "gw_session"
LANG_COOKIE = "gw_lang"
SIGN_IN, PASSWORD, FACTOR, AGENCY = (
    "/dang-nhap",
    "/tai-khoan/mat-khau",
    "/tai-khoan/ma-xac-thuc",
    "/chon-co-quan",
)
_SECRETS = ("password", "passphrase", "pin")
_WORTH_SHOWING = 12  # letters; shorter ones are numbers, dates and choices
_SAFE = frozenset({"GET", "HEAD"})
_DUTY_PAGES = {SignInDuty.CHANGE_PASSWORD: PASSWORD, SignInDuty.SET_UP_FACTOR: FACTOR}


def handler(route: PageRoute, deps: WebDeps) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The server's handler of that row."""
    needs = route.needs

    async def handle(request: web.Request) -> web.StreamResponse:
        began = time.perf_counter()
        response = await answered(request)
        if not response.prepared:
            response.headers["Server-Timing"] = f"app;dur={1000 * (time.perf_counter() - began):.1f}"
        return response

    async def answered(request: web.Request) -> web.StreamResponse:
        visit = _stranger(route, deps, request)
        try:
            if request.method not in _SAFE:
                _same_site(request)
            visit = await _known(visit)
            if (elsewhere := _owed(visit)) is not None:
                return elsewhere
            if needs and not any(visit.may(each.right, *each.manners) for each in needs):
                raise Denied("this person may not do that here", code="GW-RIGHT")
            if route.body is FormBody.FORM:
                token = visit.token if visit.acting is not None else None
                form = await forms.read(request, token, forms.FORM_BYTES)
                visit = replace(visit, form=form)
            answer = await route.handler(visit)
            if request.method not in _SAFE and visit.agency is not None:
                deps.bell.stale(visit.agency.id)
            return answer
        except forms.StrayForm as stray:
            return await _kept(visit, stray.form)
        except GatewayError as error:
            if error.code == "GW-SESSION" and _keeps(visit):
                return await _kept(visit, await forms.typed(request, forms.STRAY_BYTES))
            return await _failed(visit, error)
        except web.HTTPException as answer:
            if answer.status < 400:
                raise
            return await _tell(visit, answers.failure_of_status(answer.status, visit.lang))
        except Exception:
            # The one guard of the pages: nothing unforeseen may show itself to a person.
            _LOG.exception("a page failed in a way nobody foresaw", extra=_about(visit))
            return await _tell(visit, answers.failure_of_surprise(visit.lang))

    return handle


def _stranger(route: PageRoute, deps: WebDeps, request: web.Request) -> Visit:
    """Before anything is known of the person. Without a word of theirs people read Vietnamese."""
    asked = request.query.get("lang") or request.cookies.get(LANG_COOKIE, "")
    return Visit(
        request=request,
        route=route,
        deps=deps,
        lang=asked if asked in labels.LANGUAGES else "vi",
        id=request.get(REQUEST_ID, ""),
        nonce=secrets.token_urlsafe(16),
        token=request.cookies.get(COOKIE, ""),
    )


async def _known(visit: Visit) -> Visit:
    """With who it is, where somebody is signed in, and what the person may choose to work for."""
    if not visit.token:
        return visit
    try:
        known = sessions.look if visit.route.quiet else sessions.check
        acting = await known(visit.deps.accounts, visit.token)
    except Denied as why:
        if visit.route.who is not Who.ANYBODY and why.code != "GW-SESSION":
            raise
        return replace(visit, token="")
    # Of a post of the node all agencies.
    own, everywhere = acting.rights.agencies(acting.at), acting.rights.is_of_node(acting.at)
    hosted = [each for each in await visit.deps.store.hosted() if each.left_at is None]
    open_to = tuple(each for each in hosted if everywhere or each.id in own)
    chosen = next((each for each in open_to if each.id == acting.session.agency_id), None)
    return replace(visit, acting=acting, agency=chosen, agencies=open_to)


def _owed(visit: Visit) -> web.Response | None:
    """Where to go first: to sign in, to settle what is owed, to choose an agency."""
    who = visit.route.who
    if who is Who.ANYBODY:
        return None
    if visit.acting is None:
        if _wants_stream(visit):
            return web.Response(status=204)
        if visit.request.method in _SAFE and not visit.is_piece:
            return visit.go(SIGN_IN, next=visit.request.rel_url.raw_path_qs)
        raise sessions.over()
    if who is not Who.PERSON and visit.acting.duties:
        return visit.go(_DUTY_PAGES[visit.acting.duties[0]])
    if who is Who.MEMBER and visit.agency is None:
        if not visit.agencies:
            raise Denied("this person has no post in any agency", code="GW-RIGHT")
        return visit.go(AGENCY, next=visit.request.rel_url.raw_path_qs)
    return None


def _same_site(request: web.Request) -> None:
    """Browsers say where a form comes from; one of another site, or of nowhere, is not taken."""
    origin = request.headers.get("Origin")
    if origin is not None and origin != "null":
        is_ours = urlsplit(origin).netloc == request.host
    else:
        is_ours = request.headers.get("Sec-Fetch-Site") == "same-origin"
    if not is_ours:
        raise Denied("this form comes from another site", code="GW-FORM-TOKEN")


async def _failed(visit: Visit, error: GatewayError) -> web.StreamResponse:
    told = answers.failure_of(error, visit.lang)
    if error.code == "GW-SESSION":
        return _sign_in_again(visit)
    if told.status >= 500:
        _LOG.warning("a page failed", exc_info=error, extra=_about(visit))
    return await _tell(visit, told)


def _wants_stream(visit: Visit) -> bool:
    """No content is how a stream is told to end and to ask no more; a page to sign in would be no stream."""
    return "text/event-stream" in visit.request.headers.get("Accept", "")


def _sign_in_again(visit: Visit) -> web.Response:
    if _wants_stream(visit):
        return web.Response(status=204)
    if not visit.is_piece:
        back = visit.request.rel_url.raw_path_qs if visit.request.method in _SAFE else "/"
        return visit.go(SIGN_IN, next=back, told="session-over")
    # The script that asked for a region leads the browser to the page that signs in.
    return web.Response(status=401)


def _keeps(visit: Visit) -> bool:
    """Whether what a person typed at work would be lost: it is a whole page's form, and not one that signs in."""
    is_form = visit.request.method not in _SAFE and visit.route.body is not FormBody.NONE
    return is_form and visit.route.who is Who.MEMBER and not visit.is_piece


async def _kept(visit: Visit, form: forms.Form) -> web.StreamResponse:
    """A form that nobody may act on comes back with everything that was typed, to be sent once somebody is signed in.
    Nothing was done. What is secret is typed again."""
    fields = {name: each for name, each in form.fields.items() if name not in (forms.TOKEN, *_SECRETS)}
    if not _keeps(visit) or not fields:
        return await _failed(visit, sessions.over() if visit.acting is None else forms.StrayForm(form))
    return await visit.page(
        "entry/kept.html",
        403,
        title=visit.say("entry.kept.signed_in" if visit.acting else "told.session-over"),
        fields=fields,
        address=visit.request.rel_url.raw_path_qs,
        coding=visit.request.content_type,
        shown=[text for each in fields.values() for text in each if len(text) >= _WORTH_SHOWING],
        has_files=visit.request.content_type == "multipart/form-data",
    )


async def _tell(visit: Visit, failure: Failure) -> web.StreamResponse:
    try:
        return await visit.page("error.html", failure.status, failure=failure, title=failure.title)
    except errors.StoreFailure:
        # The frame asks the database who is there; a page about the database must not need it.
        bare = replace(visit, acting=None, agency=None, agencies=())
        return await bare.page("error.html", failure.status, failure=failure, title=failure.title)


def _about(visit: Visit) -> dict[str, object]:
    return {
        "action": "page.failed",
        "request_id": visit.id,
        "route": visit.route.name,
        "person": visit.acting.person.id if visit.acting else "",
    }


async def nowhere(visit: Visit) -> web.StreamResponse:
    """For addresses of the pages that lead to nothing."""
    raise NotFound("there is no such page")


_YEAR_S = 31_536_000
R = TypeVar("R", bound=web.StreamResponse)


def keep_session(answer: R, request: web.Request, token: str) -> R:
    """For this browser alone, until it is closed or the session is over; never to another site's forms or scripts."""
    answer.set_cookie(COOKIE, token, path="/", httponly=True, samesite="Lax", secure=is_secure(request))
    return answer


def forget_session(answer: R, request: web.Request) -> R:
    answer.del_cookie(COOKIE, path="/", httponly=True, samesite="Lax", secure=is_secure(request))
    return answer


def keep_choice(answer: R, request: web.Request, name: str, value: str) -> R:
    """A choice that is no secret, for a year."""
    answer.set_cookie(name, value, path="/", max_age=_YEAR_S, samesite="Lax", secure=is_secure(request))
    return answer


def is_secure(request: web.Request) -> bool:
    """Behind a proxy the last one says it; a lie there only makes the cookie stricter."""
    said = request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip()
    return request.secure or said == "https"
