"""Reads the catalogues of words: `.po` files of gettext, one for each subject and language. In: a language and a subject.
Out: its texts by key. Strict: what is not of the form told in docs/words.md is an error that names file and line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from gettext import c2py
from pkgutil import get_data
from types import MappingProxyType

LANGUAGES = ("vi", "en")

# The heads of keys, up to their first dot, that stand in each file.
SUBJECTS: Mapping[str, str] = MappingProxyType(
    {
        "account": "account entry lending new_password",
        "accounts": "behalf duty ended factor password post right session standing",
        "admin": "admin limit",
        "agencies": "agencies",
        "api": "api fault problem sample",
        "audit": "audit",
        "axis": "axis broker host",
        "book": "book paper",
        "books": "books",
        "calls": "calls",
        "clashes": "clash",
        "cli": "cli",
        "compose": "compose",
        "deadlines": "day day_kind left mail timer",
        "demo": "demo",
        "doctor": "doctor",
        "documents": (
            "category change delivery field file_role kind lane numbering pdf reply role "
            "secrecy signed_at type urgency"
        ),
        "errors": "code error finding reason verdict",
        "evidence": "evidence",
        "explain": "explain",
        "help": "help",
        "incoming": "incoming signatures",
        "journal": "event journal",
        "keys": "keys scope start",
        "lists": "listing tab tile",
        "notices": "notice",
        "office": "office",
        "operations": "operating queue traffic",
        "outgoing": "outgoing",
        "pace": "pace",
        "pages": "form key menu page",
        "reading": "doubt offer read sure",
        "recalls": "recall_ask recalls",
        "reform": "reform",
        "reforms": "reforms",
        "rules": "active rule why",
        "safety": "hold scanner unscanned",
        "signing": "legal sign signature signer",
        "states": "check checked handover mark outbox packet request state status step",
        "tags": "tags",
        "tasks": "chart dashboard task tasks",
        "told": "told",
        "trust": "trust verify",
    }
)
SUBJECT_OF: Mapping[str, str] = MappingProxyType(
    {head: subject for subject, heads in SUBJECTS.items() for head in heads.split()}
)


class CatalogueError(ValueError):
    """A catalogue that cannot be read: file, line and what is wrong."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A text whose form goes by the number of something: the language's own rule chooses among its forms."""

    counts: str
    forms: tuple[str, ...]
    rule: Callable[[int], int]

    def form(self, params: Mapping[str, object]) -> str:
        return self.forms[self.rule(_number(params[self.counts]))]


Text = str | Counted

_LINE = re.compile(r'(?:(msgid|msgid_plural|msgstr|msgstr\[(\d)\]) )?("(?:[^"\\]|\\["\\nt])*")')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}
_RULE = re.compile(r"^Plural-Forms: nplurals=(\d); plural=([^;]+);$", re.MULTILINE)
_COUNTS = re.compile(r"\{([a-z_]+)\}")


@cache
def read(lang: str, subject: str) -> Mapping[str, Text]:
    """The texts of one file, by key; read once. They lie in the package, and come the way its modules do. KeyError for an
    unknown language."""
    if lang not in LANGUAGES:
        raise KeyError(lang)
    data = get_data("gateway.words", f"{lang}/{subject}.po")
    if data is None:
        raise CatalogueError(f"{lang}/{subject}.po: cannot be read")
    return MappingProxyType(parsed(data.decode("utf-8"), f"{lang}/{subject}.po"))


def parsed(text: str, name: str) -> dict[str, Text]:
    """The texts of a catalogue; `name` is told in errors."""
    entries = _entries(text, name)
    first, head = next(entries, (0, {}))
    rule = _RULE.search(head.get("msgstr", ""))
    if rule is None or head.get("msgid"):
        raise CatalogueError(f"{name}:{first}: the header with Plural-Forms is missing")
    many, choose = int(rule[1]), c2py(rule[2])
    found: dict[str, Text] = {}
    for at, entry in entries:
        key, counts = entry["msgid"], entry.get("msgid_plural")
        if not key or key in found:
            raise CatalogueError(f"{name}:{at}: the key {key} stands twice")
        wanted = ["msgstr"] if counts is None else [f"msgstr[{n}]" for n in range(many)]
        forms = tuple(entry.get(each, "") for each in wanted)
        if not all(forms) or len(entry) != len(forms) + (1 if counts is None else 2):
            raise CatalogueError(f"{name}:{at}: {key} has not exactly the forms {', '.join(wanted)}")
        found[key] = forms[0] if counts is None else Counted(_counted(counts, name, at), forms, choose)
    return found


def _counted(counts: str, name: str, at: int) -> str:
    if (named := _COUNTS.fullmatch(counts)) is None:
        raise CatalogueError(f"{name}:{at}: msgid_plural names what is counted, as {{count}}")
    return named[1]


def _entries(text: str, name: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Each entry with the line where it begins; blank lines part them."""
    entry: dict[str, str] = {}
    field, began = "", 0
    for at, line in enumerate([*text.split("\n"), ""], start=1):
        if not line:
            if entry:
                yield began, entry
            entry, field = {}, ""
            continue
        if line.startswith("#") and not entry:
            if line.startswith("#,") and "fuzzy" in line:
                raise CatalogueError(f"{name}:{at}: marked as fuzzy, which nobody may read yet")
            continue
        if (part := _LINE.fullmatch(line)) is None or (part[1] is None and not field):
            raise CatalogueError(f"{name}:{at}: is no line of a catalogue")
        if part[1] is not None:
            field = part[1]
            if field in entry or (field == "msgid") == bool(entry):
                raise CatalogueError(f"{name}:{at}: {field} does not stand in its place")
            began = began if entry else at
            entry[field] = ""
        entry[field] += _unquoted(part[3])


def _unquoted(quoted: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPED[found[1]], quoted[1:-1])


def _number(value: object) -> int:
    """A number as it is shown may have separators: 1,204. What is none counts as many."""
    digits = str(value).replace(",", "").replace(".", "")
    return int(digits) if digits.isdecimal() else 0
