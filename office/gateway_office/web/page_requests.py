"""The ways to answer one request of a person's browser. In: what is known about the request. Out: a page, a region of
one, a file or a redirect, by the one handler of the route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import BinaryIO

from aiohttp import web

from gateway.errors import GatewayError, NotFound
from gateway.words import labels
from gateway_office.web import answers
from gateway_office.web.addresses import inside, url_for
from gateway_office.web.display_names import short_name
from gateway_office.web.forms import Problems
from gateway_office.web.frame import frame_values
from gateway_office.web.question_page import question_values
from gateway_office.web.request_context import PIECE, RequestContext
from gateway_office.web.routes import Handler

_NOTHING: Mapping[str, str] = MappingProxyType({})


class PageRequest(RequestContext):
    """Request of a page, with the ways to answer it."""

    async def page(self, template: str, status: int = 200, /, **values: object) -> web.Response:
        """Answer with the whole page, in its frame; for a script that shows it inside another page, without the frame.
        `title` is for its tab and heading."""
        if self.is_piece:
            return self.piece(template, status, told=self.confirmation, **values)
        return _render(self, template, status, **await frame_values(self), **values)

    async def form_page(
        self, template: str, problems: Problems | None = None, /, **values: object
    ) -> web.Response:
        """Answer with a page that has a form, as it was typed and with the problems for which it was refused."""
        page_values = {"problems": problems or [], "given": self.form.flat(), **values}
        return await self.page(template, 422 if problems else 200, **page_values)

    async def question(
        self,
        problems: Problems | None,
        /,
        *words: str,
        back: str,
        query: Mapping[str, str] = _NOTHING,
        hidden: Mapping[str, str] = _NOTHING,
        **values: object,
    ) -> web.Response:
        """Answer with a page that asks one question and carries out one act: one handler serves both. Words and values are
        those of `question_values`; problems are shown once there is a form."""
        page_values = question_values(self, *words, back=back, query=query, hidden=hidden, **values)
        return await self.form_page("question.html", problems if self.is_act else None, **page_values)

    def piece(self, template: str, status: int = 200, /, **values: object) -> web.Response:
        """Answer with one region of a page, for a script that swaps it."""
        answer = _render(self, template, status, **values)
        answer.headers[PIECE] = "1"
        return answer

    async def send_scratch_file(self, file: BinaryIO, name: str, found_type: str) -> web.StreamResponse:
        """Answer with a file that was made in a scratch file, from its beginning."""
        content = await answers.file_content(self.deps.pool, file, name, found_type)
        return await answers.give_file(self.http, content)

    def go(self, path: str, /, **query: str) -> web.Response:
        """Redirect (see other): after an act the page is requested anew, so that a reload acts on nothing."""
        return web.Response(status=303, headers={"Location": url_for(path, **query)})

    def go_back(self, address: str) -> web.Response:
        """Redirect to an address that came from outside, if it is one of this node; else to the beginning."""
        return web.Response(status=303, headers={"Location": inside(address)})

    def confirm(self, path: str, key: str, /, **query: str) -> web.Response:
        """Redirect as `go`, to a page that confirms the act: `key` is of the labels, `told.{key}`. Its words are not taken
        from the address, so that no other words can be put there."""
        if not labels.has(f"told.{key}"):
            raise NotFound(f"there are no words told.{key}")
        return self.go(path, **query, told=key)


def faults_on(
    page: Callable[..., Awaitable[web.StreamResponse]],
    *errors: type[GatewayError],
    fields: Mapping[str, str] = _NOTHING,
    other: str = "",
) -> Callable[[Handler], Handler]:
    """Let these errors of an act stand on the page that has its form, beside its fields as in `problems_of`; the page is
    also shown where no form was sent."""

    def decorate(act: Handler) -> Handler:
        async def answer(request: PageRequest) -> web.StreamResponse:
            if not request.is_act:
                return await page(request)
            try:
                return await act(request)
            except errors as error:
                return await page(request, request.problems_of(error, fields, other))

        return answer

    return decorate


def _render(request: PageRequest, template: str, status: int, /, **values: object) -> web.Response:
    text = (
        answers.templates()
        .get_template(template)
        .render(
            v=request,
            say=request.say,
            lang=request.lang,
            nonce=request.nonce,
            short=short_name,
            now=request.deps.clock.now(),
            **values,
        )
    )
    response = web.Response(status=status, text=text, content_type="text/html", charset="utf-8")
    response.headers.update(answers.page_headers(request.nonce, request.lang))
    return response
