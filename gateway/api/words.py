"""The API's way to the labels: everything it says to people goes through here. In: keys, codes, a language. Out:
text. States and facts have theirs in `document_view.facts`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from gateway.policy.verdict import Reason
from gateway.words import labels

Lang = Literal["vi", "en"]


def language(accept: str) -> Lang:
    """The language of an Accept-Language header: English when it is preferred to Vietnamese, Vietnamese otherwise."""
    best: tuple[float, Lang] = (0.0, "vi")
    for item in accept.split(",")[:20]:
        tag, _, rest = item.strip().partition(";")
        lang = tag.strip().lower().split("-")[0]
        weight = _weight(rest)
        if lang in ("vi", "*") and weight >= best[0]:
            best = (weight, "vi")
        elif lang == "en" and weight > best[0]:
            best = (weight, "en")
    return best[1]


def say(key: str, lang: Lang, **params: object) -> str:
    """The text of a label, its byte counts written as people read them."""
    shown = {
        name: labels.megabytes(int(str(value)), lang) if name.endswith("_bytes") else value
        for name, value in params.items()
    }
    return labels.say(key, lang, **shown)


def reason_text(reason: Reason, lang: Lang) -> str:
    """The sentence for one broken rule."""
    if not labels.has(f"rule.{reason.code}"):
        return str(reason)
    return labels.reason_text(reason.code, reason.params, lang, suggest=reason.suggest)


def fault_text(code: str, params: Mapping[str, str], lang: Lang, where: str = "") -> str:
    """The sentence for one fault of a request. `where` is its pointer: a name may mean another thing in one place."""
    told = dict(params)
    bare = told.get("field", "")
    key = next((key for key in (f"field.{where}", f"field.{bare}") if labels.has(key)), None)
    if key is not None:
        told["field"] = f"{labels.say(key, lang)} ({bare})"
    text = say(f"fault.{code}", lang, **told)
    # A sentence begins with a capital, but a name that a program must write is left as it is written.
    return text if key is None and bare and text.startswith(bare) else text[:1].upper() + text[1:]


def type_name(given: str) -> str:
    """The printed name of a type key (`cong_van`); what is no key is the name itself."""
    return labels.say_or(f"type.{given}", given)


def table(prefix: str, keys: Iterable[str] = ()) -> list[tuple[str, str, str]]:
    """Key, Vietnamese and English of these labels below a prefix; of all, by key, where none are named."""
    chosen = list(keys) or [tail for tail in labels.tails(prefix) if "." not in tail]
    # A word that names the other side's code shows where that code stands.
    return [
        (key, labels.say(f"{prefix}.{key}", "vi", code="NN"), labels.say(f"{prefix}.{key}", "en", code="NN"))
        for key in chosen
    ]


def _weight(rest: str) -> float:
    name, _, value = rest.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
