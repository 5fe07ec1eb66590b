"""Events as sentences: one template for each kind, in the catalogue of the journal. In: an event, the names of what it
speaks of, the reader's language. Out: the sentence, in three parts, so that a page can link the thing in its middle.
Pure: the caller loads the names, and gives only such as the reader may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.words import labels

_SUBJECT_MARK = "\x00"
# Fields whose value chooses another template of the same kind, or is said in words.
_VARIANTS = ("code", "state", "what", "standing", "seal")
_TABLES: Mapping[str, tuple[str, ...]] = {
    "state": ("state", "state.in", "packet"),
    "role": ("post",),
    "standing": ("standing",),
    "because": ("ended",),
    "kind": ("reform.kind",),
}
# Fields of templates that an event may lack: said as dots, or as an agency that is not named.
_PLAIN = (
    "code",
    "state",
    "name",
    "change",
    "file",
    "host",
    "days",
    "role",
    "standing",
    "because",
    "added",
    "changed",
    "closed",
    "issuer",
    "sequence",
    "bound",
    "ended",
    "conflict",
    "count",
)
_NAMED_FIELDS = ("from", "to", "agency", "acting_code", "codes", "leader", "proposed_by", "unit", "person")
_OF_PEOPLE = frozenset({"person", "session", "account", "post"})
_PEOPLE = ("from", "to", "leader", "proposed_by", "asked_by", "person")
_AGENCIES = ("from", "to", "code", "acting_code", "agency", "codes", "sources", "targets")


class EventLike(Protocol):
    """Event of the history, or of the sealed log."""

    @property
    def kind(self) -> str: ...
    @property
    def subject_id(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...  # Any: fields have many types


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedDocument:
    """Number of a document and the agency on its other side. `side` is in or out."""

    side: str
    number: str
    party: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventNames:
    """Names of people and agencies by id or code, and of documents by id."""

    people: Mapping[str, str] = field(default_factory=dict)
    agencies: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, NamedDocument] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSentence:
    """Sentence about one event. `subject` is what it is about, empty where the sentence names nothing to open."""

    opening: str
    subject: str
    closing: str

    @property
    def text(self) -> str:
        return f"{self.opening}{self.subject}{self.closing}"


def people_in(event: EventLike) -> set[str]:
    """Return the ids that may be a person's: of the subject, and of fields that name people."""
    return {event.subject_id, *(str(event.data.get(name, "")) for name in _PEOPLE)} - {""}


def agencies_in(event: EventLike) -> set[str]:
    """Return the codes and ids of agencies that the event names."""
    return {item for name in _AGENCIES for item in _items(event.data.get(name))} | {
        _code_of_subject(event)
    } - {""}


def say_event(event: EventLike, actor: str, names: EventNames, lang: str) -> EventSentence:
    """Say what happened, in the template of the event's kind; a kind without one is said by its name."""
    key, subject_name = _template(event), _name_subject(event, names, lang)
    kind = labels.say_or(f"event.{event.kind}", event.kind, lang)
    params = _Parameters(event, names, lang, who=actor, what=_SUBJECT_MARK, kind=kind[:1].lower() + kind[1:])
    opening, mark, closing = labels.say(key, lang, **params.all()).partition(_SUBJECT_MARK)
    if not mark or not subject_name:
        return EventSentence(opening=_capital(f"{opening}{closing}".rstrip()), subject="", closing="")
    # A sentence begins with a capital, whichever part comes first.
    return EventSentence(
        opening=_capital(opening),
        subject=subject_name if opening else _capital(subject_name),
        closing=closing.rstrip(),
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _template(event: EventLike) -> str:
    key = f"journal.say.{event.kind}"
    for name in _VARIANTS:
        if isinstance(value := event.data.get(name), str) and labels.has(f"{key}.{value}"):
            return f"{key}.{value}"
    if event.data.get("must_change") and labels.has(f"{key}.must_change"):
        return f"{key}.must_change"
    return key if labels.has(key) else "journal.say"


def _name_subject(event: EventLike, names: EventNames, lang: str) -> str:
    """Name the subject of the event, as far as the reader may know it."""
    subject = event.subject_id
    if (document := names.documents.get(subject)) is not None:
        key = f"journal.thing.{document.side}"
        if document.side == "out" and not document.party:
            key = "journal.thing.out.alone"
        return labels.say(key, lang, number=document.number, party=document.party)
    if (person := names.people.get(subject)) is not None:
        return person
    key = f"journal.thing.{subject.partition('_')[0]}"
    if labels.has(key):
        return labels.say(key, lang)
    if not labels.has(f"journal.say.{event.kind}"):
        return ""
    is_of_person = event.kind.partition(".")[0] in _OF_PEOPLE
    return labels.say("journal.thing.person" if is_of_person else "journal.thing.document", lang)


class _Parameters:
    """Values of a template, each in words."""

    def __init__(self, event: EventLike, names: EventNames, lang: str, **fixed: str) -> None:
        self._event, self._names, self._lang, self._fixed = event, names, lang, fixed

    def all(self) -> dict[str, str]:
        data = self._event.data
        fields = {name: self._say(name, value) for name, value in data.items() if name != "lang"}
        computed = {
            "state": self._state(),
            "name": self._name(),
            "change": self._change(),
            "agency": self._agency(),
        }
        nobody = labels.say("journal.thing.nobody", self._lang)
        present = {name: text for name, text in {**fields, **computed}.items() if text}
        return dict.fromkeys(_PLAIN, "…") | dict.fromkeys(_NAMED_FIELDS, nobody) | present | self._fixed

    def _say(self, name: str, value: object) -> str:
        texts = [self._word_of(name, item) for item in _items(value)]
        if len(texts) > 2:
            return labels.say("journal.thing.several", self._lang, first=texts[0], count=len(texts) - 1)
        return ", ".join(texts)

    def _word_of(self, name: str, value: str) -> str:
        for table in _TABLES.get(name, ()):
            if labels.has(f"{table}.{value}"):
                return labels.say(f"{table}.{value}", self._lang).lower()
        return self._names.people.get(value) or self._names.agencies.get(value) or value

    def _state(self) -> str:
        """Return the state in words, or that of the code."""
        data = self._event.data
        return (
            self._word_of("state", str(data["state"])) if data.get("state") else str(data.get("code") or "")
        )

    def _name(self) -> str:
        own_name = self._event.data.get("name")
        return str(own_name) if own_name else self._event.subject_id.partition(":")[2]

    def _agency(self) -> str:
        data = self._event.data
        code = str(data.get("agency") or data.get("code") or _code_of_subject(self._event))
        return self._names.agencies.get(code, code)

    def _change(self) -> str:
        kind = self._event.data.get("kind")
        sources = self._say("sources", self._event.data.get("sources"))
        targets = self._say("targets", self._event.data.get("targets"))
        sides = " → ".join(filter(None, (sources, targets)))
        return " ".join(filter(None, (self._word_of("kind", str(kind)) if kind else "", sides)))


def _items(value: object) -> Sequence[str]:
    if isinstance(value, list | tuple):
        return [str(item.get("code", "")) if isinstance(item, Mapping) else str(item) for item in value]
    return [str(value)] if value not in (None, "") else []


def _code_of_subject(event: EventLike) -> str:
    kind, _, code = event.subject_id.partition(":")
    return code if kind in ("binding", "seal", "urged") else ""
