"""The API's access to the labels: all its texts for people come from here. In: keys, codes, a language. Out: text. States
and facts have theirs in `document_view.facts`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from gateway.policy.verdict import Reason
from gateway.words import labels

Lang = Literal["vi", "en"]


def language(accept: str) -> Lang:
    """Choose the language of an Accept-Language header: English when preferred to Vietnamese, else Vietnamese."""
    best: tuple[float, Lang] = (0.0, "vi")
    for entry_text in accept.split(",")[:20]:
        tag, _, weight_text = entry_text.strip().partition(";")
        lang = tag.strip().lower().split("-")[0]
        weight = _weight(weight_text)
        if lang in ("vi", "*") and weight >= best[0]:
            best = (weight, "vi")
        elif lang == "en" and weight > best[0]:
            best = (weight, "en")
    return best[1]


def say(key: str, lang: Lang, **params: object) -> str:
    """Return the text of a label, with byte counts as people read them."""
    readable = {
        name: labels.megabytes(int(str(v)), lang) if name.endswith("_bytes") else v
        for name, v in params.items()
    }
    return labels.say(key, lang, **readable)


def reason_text(reason: Reason, lang: Lang) -> str:
    """Return the sentence for one broken rule."""
    if not labels.has(f"rule.{reason.code}"):
        return str(reason)
    return labels.reason_text(reason.code, reason.params, lang, suggest=reason.suggest)


def fault_text(code: str, params: Mapping[str, str], lang: Lang, place: str = "") -> str:
    """Return the sentence for one fault of a request. `place` is its pointer: a name may mean another thing there."""
    values = dict(params)
    field_name = values.get("field", "")
    key = next((key for key in (f"field.{place}", f"field.{field_name}") if labels.has(key)), None)
    if key is not None:
        values["field"] = f"{labels.say(key, lang)} ({field_name})"
    text = say(f"fault.{code}", lang, **values)
    # A sentence begins with a capital, but a name that a program must write keeps its spelling.
    return text if key is None and field_name and text.startswith(field_name) else text[:1].upper() + text[1:]


def type_name(type_text: str) -> str:
    """Return the printed name of a type key (`cong_van`); another text is the name itself."""
    return labels.say_or(f"type.{type_text}", type_text)


def table(prefix: str, keys: Iterable[str] = ()) -> list[tuple[str, str, str]]:
    """Return key, Vietnamese and English of these labels below a prefix; of all, by key, without keys."""
    chosen = list(keys) or [tail for tail in labels.tails(prefix) if "." not in tail]
    # In a text with the other side's code, NN stands for it.
    return [
        (key, labels.say(f"{prefix}.{key}", "vi", code="NN"), labels.say(f"{prefix}.{key}", "en", code="NN"))
        for key in chosen
    ]


def _weight(weight_text: str) -> float:
    name, _, number = weight_text.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(number)
    except ValueError:
        return 0.0
