"""Splits a list of recipients, or a document's whole block of recipients: each code, name, group or person is an item
with the purpose stated beside it. In: text as pasted or read. Out: `Item`s in order. Pure. The directory then finds the
agencies."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.domain.document import RecipientRole
from gateway.domain.registry import AgencyCode, BadCode, Item, ItemKind
from gateway.domain.text import fold, nfc, old_spelling
from gateway.words.reading import (
    ABOVE,
    ADDRESSED,
    AGENCIES,
    COMRADES,
    FILED,
    MANY,
    PERSONS,
    POINTERS,
    PURPOSES,
    RECIPIENTS,
    SHORT_NAMES,
)

LONGEST = 50_000
MOST_ITEMS = 500
_BULLET = re.compile(r"^\s*(?:[-–+*•·▪]|\d{1,2}[.)])\s*")
_BRACKET = re.compile(r"\(([^()]{1,80})\)")
_ROLES = {fold(word): RecipientRole(role) for role, words in PURPOSES.items() for word in words}
_POINTERS = tuple(map(fold, POINTERS))
_ADDRESSED, _ABOVE = tuple(map(fold, ADDRESSED)), tuple(map(fold, ABOVE))
_MANY = tuple(map(fold, MANY))
_PERSONS = tuple(map(fold, PERSONS))
_BY_NAME = tuple(map(fold, COMRADES))
_AGENCIES = tuple(map(fold, AGENCIES))
_SHORT = {short.casefold(): full for short, full in SHORT_NAMES.items()}


def items_of(text: str) -> tuple[Item, ...]:
    """Return every recipient once; a line about filed copies is an item too. Where the text names its addressees, "as
    above" refers to them and is left out."""
    items: dict[tuple[str, str | None], Item] = {}
    entries = list(_split_entries(text[:LONGEST]))
    has_addressee = any(fold(line).startswith(_ADDRESSED) for line in text[:LONGEST].splitlines())
    for entry in entries:
        for item in _make_items(entry):
            if has_addressee and item.kind is ItemKind.POINTER and fold(item.name).startswith(_ABOVE):
                continue
            items.setdefault((old_spelling(written_out(item.name)), item.parent), item)
            if len(items) >= MOST_ITEMS:
                return tuple(items.values())
    return tuple(items.values())


def written_out(name: str) -> str:
    """Return the name with usual short forms written out, as the directory has it."""
    words = [_SHORT.get(word.strip(",;.").casefold(), word) for word in name.split()]
    full = " ".join(words)
    return full[:1].upper() + full[1:]


def _split_entries(text: str) -> Iterator[str]:
    """Yield entries: lines are joined where one continues, and entries split at semicolons."""
    pending = ""
    for line in nfc(text).splitlines():
        words = " ".join(line.split())
        if not words:
            continue
        begins = _BULLET.match(words) is not None or not pending or pending.rstrip().endswith((";", ".", ":"))
        # Without bullets each line is an entry; with them, a line without one continues the one before.
        if begins or not _BULLET.match(pending):
            yield from _split_parts(pending)
            pending = words
        else:
            pending = f"{pending} {words}"
    yield from _split_parts(pending)


def _split_parts(entry: str) -> Iterator[str]:
    bare = _BULLET.sub("", entry)
    for head in (RECIPIENTS, *ADDRESSED):
        if fold(bare).startswith(fold(head)):
            bare = bare[len(head) :].lstrip(" :")
    for part in bare.split(";"):
        words = _BULLET.sub("", part).strip(" .,")
        if words:
            yield words


def _make_items(entry: str) -> Iterator[Item]:
    role, bare = _split_role(entry)
    folded = fold(bare)
    if not any(letter.isalnum() for letter in bare):
        return
    if _begins(folded, fold(FILED)):
        yield Item(text=entry, kind=ItemKind.FILED, name=bare)
    elif folded.startswith(_POINTERS):
        yield Item(text=entry, kind=ItemKind.POINTER, name=bare, role=role)
    elif any(_begins(folded, word) for word in _PERSONS):
        yield Item(text=entry, kind=ItemKind.PERSON, name=_agency_of_post(bare), role=role)
    elif any(_begins(folded, word) for word in _MANY):
        yield Item(text=entry, kind=ItemKind.MANY, name=bare, role=role)
    else:
        for name in _split_names(bare):
            own, parent = _split_parent(name)
            yield Item(text=name, kind=ItemKind.AGENCY, name=own, parent=parent, role=role)


def _split_role(entry: str) -> tuple[RecipientRole | None, str]:
    """Split an entry into its purpose, in brackets or after a dash, and the remaining text."""
    role = None
    for purpose in _BRACKET.findall(entry):
        role = role or _ROLES.get(fold(purpose))
    bare = _BRACKET.sub(lambda match: "" if fold(match[1]) in _ROLES else match[0], entry)
    head, dash, tail = bare.rpartition(" - ")
    if dash and fold(tail) in _ROLES:
        role, bare = role or _ROLES[fold(tail)], head
    return role, " ".join(bare.split()).strip(" .,;")


def _split_names(bare: str) -> Iterator[str]:
    """Split at commas or blanks where every part is a code, or at commas where every part begins like an agency's name."""
    parts = [part for part in re.split(r"[,\s]+", bare) if part]
    if len(parts) > 1 and all(map(is_code, parts)):
        yield from parts
        return
    commas = [part.strip() for part in bare.split(",") if part.strip()]
    if len(commas) > 1 and all(map(_begins_as_agency, commas)):
        # Where a part does not begin like an agency, the comma belongs to a name, as in those of ministries.
        yield from commas
        return
    yield bare


def _split_parent(name: str) -> tuple[str, str | None]:
    """Split a name from its parent, which follows a dash; a name with its code in brackets becomes the code."""
    if is_code(name):
        return name, None
    bracket = _BRACKET.search(name)
    if bracket is not None and is_code(bracket[1]):
        return bracket[1], None  # a code beside its name is enough
    own, stroke, above = name.partition(" - ")
    if stroke and above and own:
        return own.strip(), above.strip()
    return name, None


def is_code(text: str) -> bool:
    code = text.strip().upper()
    if not any(char.isdigit() for char in code):
        return False
    try:
        AgencyCode.parse(code)
    except BadCode:
        return False
    return True


def is_bare_post(item: Item) -> bool:
    """Tell whether an item is a post without an agency, and so of the writing agency; a named person may be of any."""
    folded = fold(item.name)
    is_post = any(_begins(folded, word) for word in _PERSONS)
    return item.kind is ItemKind.PERSON and is_post and not any(_begins(folded, word) for word in _BY_NAME)


def _agency_of_post(bare: str) -> str:
    """Return the agency that a person's post belongs to, as far as the text names it; else the whole text."""
    words = bare.split()
    begins = next((n for n in range(1, len(words)) if _begins_as_agency(" ".join(words[n:]))), None)
    return bare if begins is None else " ".join(words[begins:])


def _begins_as_agency(name: str) -> bool:
    return any(_begins(fold(name), word) for word in _AGENCIES)


def _begins(text: str, words: str) -> bool:
    """Tell whether a text begins with these words, as whole words."""
    return text.startswith(words) and not text[len(words) : len(words) + 1].isalnum()
