"""Pages that ask one question and carry out one act. One handler serves both: it finds the subject, asks whether the
question arises and whether the form says enough, and until it does answers with the page; then it acts, and says what
was done. In: words, the subject as parts of templates show it, what stands against the form. Out: the page, again with
everything that was typed where the form was not taken. One template shows all of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aiohttp import web

from gateway.office.web.forms import Problems
from gateway.office.web.visits import Visit, where

_NOTHING: Mapping[str, str] = MappingProxyType({})


async def ask(
    visit: Visit,
    problems: Problems | None = None,
    /,
    *,
    title: str,
    do: str,
    back: str,
    query: Mapping[str, str] = _NOTHING,
    hidden: Mapping[str, str] = _NOTHING,
    **values: object,
) -> web.Response:
    """The page of a question. `do` stands on its button, which a `grave` act has in red; `back` is where who does not do it
    goes, with `query`, which the form's address keeps too. `text` says what will happen, `closed` why it cannot now: the
    page then has no form. `part` is a template that shows, by `place`, what stands "above" the form, its "fields", and what
    stands "below"; `name` tells it which question it is. `look` is a class of the style sheet: the form as a `card`, or the
    narrow page of `enter`. What stands against a form is told once there is one."""
    usual = {"text": "", "closed": "", "part": "", "name": "", "look": "", "grave": False, "tabs": ()}
    return await visit.form_page(
        "question.html",
        problems if visit.is_act else None,
        title=title,
        do=do,
        hidden=hidden,
        action=where(visit.request.path, **query),
        cancel=where(back, **query),
        **(usual | values),
    )
