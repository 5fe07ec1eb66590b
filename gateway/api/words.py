"""The API's way to the labels: everything it says to people goes through here. In: keys, codes, a language. Out:
text. A code that has no label yet is shown as it is, because the other side's codes must never break an answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from gateway.domain.document import Kind
from gateway.domain.status import CODES, Track
from gateway.policy.verdict import Reason
from gateway.words import labels

Lang = Literal["vi", "en"]

_REQUESTS = frozenset({Kind.RECALL, Kind.UPDATE})


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


def state_word(state: str, lang: Lang) -> str:
    """The word a sender reads for a state."""
    return _word(f"state.{state}", state, lang)


def in_state_word(state: str, lang: Lang) -> str:
    """The word a receiver reads for a state."""
    return _word(f"state.in.{state}", state, lang)


def incoming_word(kind: str, state: str, lang: Lang) -> str:
    """The word for an incoming item: a recall or an update is asked and answered, never taken in."""
    asked = f"state.in.request.{state}"
    return say(asked, lang) if kind in _REQUESTS and labels.has(asked) else in_state_word(state, lang)


def fact_word(track: Track, code: str, lang: Lang) -> str:
    """The words for one fact: of our own transport, of the other side's codes, or of a request."""
    if track is Track.REQUEST:
        return _word(f"request.{code}", state_word(CODES[code].key, lang) if code in CODES else code, lang)
    if track is Track.TRANSPORT:
        return state_word(code, lang)
    return (
        state_word(CODES[code].key, lang) if code in CODES else labels.say("state.unknown", lang, code=code)
    )


def without_reference(text: str | None) -> str | None:
    """What a person wrote in a status, without the packet id that every answer ends with for machines."""
    reference = labels.say("status.reference", "vi", packet="").strip()
    return (text or "").partition(reference)[0].rstrip(" ·") or None


def code_text(code: str | None, lang: Lang) -> str | None:
    """What a code of a finding means; the code itself where there are no words for it."""
    return _word(f"code.{code}", code, lang) if code else None


def packet_word(state: str, lang: Lang) -> str:
    """The word for the state of a stored packet."""
    return _word(f"packet.{state}", state, lang)


def type_name(given: str) -> str:
    """The printed name of a type key (`cong_van`); what is no key is the name itself."""
    key = f"type.{given}"
    return labels.say(key, "vi") if labels.has(key) else given


def table(prefix: str, keys: Iterable[str] = ()) -> list[tuple[str, str, str]]:
    """Key, Vietnamese and English of these labels below a prefix; of all, by key, where none are named."""
    chosen = list(keys) or [tail for tail in labels.tails(prefix) if "." not in tail]
    # A word that names the other side's code shows where that code stands.
    return [
        (key, labels.say(f"{prefix}.{key}", "vi", code="NN"), labels.say(f"{prefix}.{key}", "en", code="NN"))
        for key in chosen
    ]


def _word(key: str, state: str, lang: Lang) -> str:
    return labels.say(key, lang, code=state) if labels.has(key) else state


def _weight(rest: str) -> float:
    name, _, value = rest.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
