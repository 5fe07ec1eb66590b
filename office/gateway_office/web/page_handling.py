"""Handling of a page request: makes a handler of the server for each row of the route table. It checks person, right and
the form's origin and token, then calls the row's own handler; whatever goes wrong becomes a page that helps. It also sets
the cookies: the session, which no script may read, and choices about how pages look."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlsplit

from aiohttp import web

from gateway import errors, random_source, time_source
from gateway.api.app import REQUEST_ID
from gateway.api.caller import is_secure
from gateway.errors import Denied, GatewayError, NotFound
from gateway.words import labels
from gateway_office.accounts import sessions
from gateway_office.domain.session import SignInDuty
from gateway_office.web import answers, forms
from gateway_office.web.answers import Failure
from gateway_office.web.deps import WebDeps
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.routes import Access, FormBody, PageRoute

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
_YEAR_S = 31_536_000
R = TypeVar("R", bound=web.StreamResponse)


def handler(route: PageRoute, deps: WebDeps) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Make the server's handler of a route."""
    needs = route.needs

    async def handle(http: web.Request) -> web.StreamResponse:
        started_at = time_source.monotonic()
        response = await answer_request(http)
        if not response.prepared:
            response.headers["Server-Timing"] = f"app;dur={1000 * (time_source.monotonic() - started_at):.1f}"
        return response

    async def answer_request(http: web.Request) -> web.StreamResponse:
        request = _anonymous_visit(route, deps, http)
        try:
            if http.method not in _SAFE:
                _check_same_site(http)
            request = await _load_session(request)
            if (redirect := _first_duty_redirect(request)) is not None:
                return redirect
            if not request.meets(needs):
                raise Denied("this person may not do that here", code="GW-RIGHT")
            if route.body is FormBody.FORM:
                token = request.token if request.acting is not None else None
                form = await forms.read(http, token, forms.FORM_BYTES)
                request = replace(request, form=form)
            answer = await route.handler(request)
            if http.method not in _SAFE and request.agency is not None:
                deps.bell.stale(request.agency.id)
            return answer
        except forms.StrayForm as stray_form:
            return await _kept_form_page(request, stray_form.form)
        except GatewayError as error:
            if error.code == "GW-SESSION" and _keeps_form(request):
                return await _kept_form_page(request, await forms.read_refused(http, forms.STRAY_BYTES))
            return await _answer_error(request, error)
        except web.HTTPException as answer:
            if answer.status < 400:
                raise
            return await _error_page(request, answers.failure_of_status(answer.status, request.lang))
        except Exception:
            # The one guard of the pages: no unforeseen error may show itself to a person.
            _LOG.exception("a page failed in a way nobody foresaw", extra=_log_fields(request))
            return await _error_page(request, answers.failure_of_surprise(request.lang))

    return handle


def _anonymous_visit(route: PageRoute, deps: WebDeps, http: web.Request) -> PageRequest:
    """Make the request before the person is known. Without a choice people read Vietnamese."""
    lang = http.query.get("lang") or http.cookies.get(LANG_COOKIE, "")
    return PageRequest(
        http=http,
        route=route,
        deps=deps,
        lang=lang if lang in labels.LANGUAGES else "vi",
        id=http.get(REQUEST_ID, ""),
        nonce=random_source.token_urlsafe(16),
        token=http.cookies.get(COOKIE, ""),
    )


async def _load_session(request: PageRequest) -> PageRequest:
    """Add the session, where the person is signed in, and the agencies that the person may choose."""
    if not request.token:
        return request
    try:
        load_session = sessions.look if request.route.quiet else sessions.check
        acting = await load_session(request.deps.accounts, request.token)
    except Denied as error:
        if request.route.access is not Access.ANYBODY and error.code != "GW-SESSION":
            raise
        return replace(request, token="")
    # A post of the node opens all agencies.
    own, sees_all = acting.rights.agencies(acting.at), acting.rights.is_of_node(acting.at)
    hosted = [agency for agency in await request.deps.store.hosted() if agency.left_at is None]
    agencies = tuple(agency for agency in hosted if sees_all or agency.id in own)
    chosen_agency = next((agency for agency in agencies if agency.id == acting.session.agency_id), None)
    return replace(request, acting=acting, agency=chosen_agency, agencies=agencies)


def _first_duty_redirect(request: PageRequest) -> web.Response | None:
    """Redirect to the page that comes first: signing in, a duty, the choice of an agency."""
    audience = request.route.access
    if audience is Access.ANYBODY:
        return None
    if request.acting is None:
        if _wants_stream(request):
            return web.Response(status=204)
        if request.http.method in _SAFE and not request.is_piece:
            return request.go(SIGN_IN, next=request.http.rel_url.raw_path_qs)
        raise sessions.session_over_error()
    if audience is not Access.PERSON and request.acting.duties:
        return request.go(_DUTY_PAGES[request.acting.duties[0]])
    if audience is Access.MEMBER and request.agency is None:
        if not request.agencies:
            raise Denied("this person has no post in any agency", code="GW-RIGHT")
        return request.go(AGENCY, next=request.http.rel_url.raw_path_qs)
    return None


def _check_same_site(http: web.Request) -> None:
    """Refuse a form of another site, or of no site: browsers say where a form comes from."""
    origin = http.headers.get("Origin")
    if origin is not None and origin != "null":
        is_ours = urlsplit(origin).netloc == http.host
    else:
        is_ours = http.headers.get("Sec-Fetch-Site") == "same-origin"
    if not is_ours:
        raise Denied("this form comes from another site", code="GW-FORM-TOKEN")


async def _answer_error(request: PageRequest, error: GatewayError) -> web.StreamResponse:
    failure = answers.failure_of(error, request.lang)
    if error.code == "GW-SESSION":
        return _renew_sign_in(request)
    if failure.status >= 500:
        _LOG.warning("a page failed", exc_info=error, extra=_log_fields(request))
    return await _error_page(request, failure)


def _wants_stream(request: PageRequest) -> bool:
    """Tell whether an event stream is asked for. It is ended by 204 (no content), not by a page to sign in."""
    return "text/event-stream" in request.http.headers.get("Accept", "")


def _renew_sign_in(request: PageRequest) -> web.Response:
    if _wants_stream(request):
        return web.Response(status=204)
    if not request.is_piece:
        back = request.http.rel_url.raw_path_qs if request.http.method in _SAFE else "/"
        return request.go(SIGN_IN, next=back, told="session-over")
    # The script that asked for a region leads the browser to the page that signs in.
    return web.Response(status=401)


def _keeps_form(request: PageRequest) -> bool:
    """Tell whether the person's typing would be lost: a whole page's form, and not one that signs in."""
    is_form = request.http.method not in _SAFE and request.route.body is not FormBody.NONE
    return is_form and request.route.access is Access.MEMBER and not request.is_piece


async def _kept_form_page(request: PageRequest, form: forms.Form) -> web.StreamResponse:
    """Return a refused form with everything that was typed, to be sent again after signing in. Nothing was done. Secrets
    are typed again."""
    fields = {name: values for name, values in form.fields.items() if name not in (forms.TOKEN, *_SECRETS)}
    if not _keeps_form(request) or not fields:
        return await _answer_error(
            request, sessions.session_over_error() if request.acting is None else forms.StrayForm(form)
        )
    return await request.page(
        "entry/kept.html",
        403,
        title=request.say("entry.kept.signed_in" if request.acting else "told.session-over"),
        fields=fields,
        address=request.http.rel_url.raw_path_qs,
        shown=[text for values in fields.values() for text in values if len(text) >= _WORTH_SHOWING],
        has_files=request.http.content_type == "multipart/form-data",
    )


async def _error_page(request: PageRequest, failure: Failure) -> web.StreamResponse:
    try:
        return await request.page("error.html", failure.status, failure=failure, title=failure.title)
    except errors.StoreFailure:
        # The frame reads the person from the database; a page about the database must not need it.
        bare = replace(request, acting=None, agency=None, agencies=())
        return await bare.page("error.html", failure.status, failure=failure, title=failure.title)


def _log_fields(request: PageRequest) -> dict[str, object]:
    return {
        "action": "page.failed",
        "request_id": request.id,
        "route": request.route.name,
        "person": request.acting.person.id if request.acting else "",
    }


async def unknown_address(request: PageRequest) -> web.StreamResponse:
    """Answer addresses of the pages that lead to nothing."""
    raise NotFound("there is no such page")


def keep_session(answer: R, http: web.Request, token: str) -> R:
    """Set the session cookie: for this browser alone, until it is closed or the session is over; hidden from scripts."""
    answer.set_cookie(COOKIE, token, path="/", httponly=True, samesite="Lax", secure=is_secure(http))
    return answer


def forget_session(answer: R, http: web.Request) -> R:
    answer.del_cookie(COOKIE, path="/", httponly=True, samesite="Lax", secure=is_secure(http))
    return answer


def keep_choice(answer: R, http: web.Request, name: str, value: str) -> R:
    """Set a cookie for a choice that is no secret, for a year."""
    answer.set_cookie(name, value, path="/", max_age=_YEAR_S, samesite="Lax", secure=is_secure(http))
    return answer
