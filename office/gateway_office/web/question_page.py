"""The page that asks one question and carries out one act. In: the request, the keys of the question's words, and the
content around its form. Out: the values of its template."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gateway.words import labels
from gateway_office.web.addresses import url_for
from gateway_office.web.request_context import RequestContext

_NOTHING: Mapping[str, str] = MappingProxyType({})


def question_values(
    request: RequestContext,
    /,
    *words: str,
    back: str,
    query: Mapping[str, str] = _NOTHING,
    hidden: Mapping[str, str] = _NOTHING,
    **values: object,
) -> dict[str, object]:
    """Make the values of the one template for questions. The title, its text and the button's words are keys of labels,
    with parameters from `values`: these three, or
    the one from which they follow. The words of a button elsewhere may end in dots, as there is a page to come. `back`
    is the address for a person who does not act, with `query`, which the form's address keeps too. `closed` is why it
    cannot be done now: the page then has no form; `more` are further sentences, `about` names what it is about, a
    `grave` act has a red button. `part` is a template that shows, by `place`, the content "above" the form, its
    "fields", and the content "below"; `which` tells it the question. `look` is a class of the style sheet: the form as
    a `card`, or the narrow page of `enter`. `has_file`: the form brings a file."""
    title, text, do = words if len(words) == 3 else _words_of_question(*words)
    usual = {
        "more": (),
        "closed": "",
        "part": "",
        "which": "",
        "about": (),
        "look": "",
        "grave": False,
        "tabs": (),
        "has_file": False,
    }
    return {
        "title": request.say(title, **values).removesuffix("…"),
        "text": request.say(text, **values) if text else "",
        "do": request.say(do, **values).removesuffix("…"),
        "hidden": hidden,
        "action": url_for(request.http.path, **query),
        "cancel": url_for(back, **query),
        **usual,
        **values,
    }


def _words_of_question(key: str) -> tuple[str, str, str]:
    """Return the keys of a question's title, text and button: those below `key`, else the key itself, else no text."""
    texts = (f"{key}.{part}" for part in ("means", "will", "says"))
    title, button = (f"{key}.{part}" if labels.has(f"{key}.{part}") else key for part in ("title", "do"))
    return title, next(filter(labels.has, texts), ""), button
