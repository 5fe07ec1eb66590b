"""Takes a list of recipients apart, or the whole block of recipients of a document: each code, name, group or person is
an item with the purpose that stands beside it. In: text as it was pasted or read. Out: `Item`s in their order. Pure. Which
agency is meant is for the directory to say."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.domain.document import RecipientRole
from gateway.domain.registry import AgencyCode, BadCode, Item, ItemKind
from gateway.domain.text import fold, nfc
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
    """Everything that is named, once; in a block what only says that a copy is filed is an item too. Where the text says
    whom it is addressed to, "as above" is those, and no item of its own."""
    found: dict[tuple[str, str | None], Item] = {}
    entries = list(_entries(text[:LONGEST]))
    is_told = any(fold(each).startswith(_ADDRESSED) for each in text[:LONGEST].splitlines())
    for entry in entries:
        for item in _items(entry):
            if is_told and item.kind is ItemKind.POINTER and fold(item.name).startswith(_ABOVE):
                continue
            found.setdefault((fold(written_out(item.name)), item.parent), item)
            if len(found) >= MOST_ITEMS:
                return tuple(found.values())
    return tuple(found.values())


def written_out(name: str) -> str:
    """The name with the usual short forms in full, as the directory has it."""
    words = [_SHORT.get(word.strip(",;.").casefold(), word) for word in name.split()]
    full = " ".join(words)
    return full[:1].upper() + full[1:]


def _entries(text: str) -> Iterator[str]:
    """Lines, put together where one goes on, and taken apart at semicolons."""
    held = ""
    for line in nfc(text).splitlines():
        said = " ".join(line.split())
        if not said:
            continue
        begins = _BULLET.match(said) is not None or not held or held.rstrip().endswith((";", ".", ":"))
        # Without bullets each line is an entry; with them a line that has none goes on with the one before.
        if begins or not _BULLET.match(held):
            yield from _parts(held)
            held = said
        else:
            held = f"{held} {said}"
    yield from _parts(held)


def _parts(entry: str) -> Iterator[str]:
    bare = _BULLET.sub("", entry)
    for head in (RECIPIENTS, *ADDRESSED):
        if fold(bare).startswith(fold(head)):
            bare = bare[len(head) :].lstrip(" :")
    for part in bare.split(";"):
        said = _BULLET.sub("", part).strip(" .,")
        if said:
            yield said


def _items(entry: str) -> Iterator[Item]:
    role, bare = _role(entry)
    said = fold(bare)
    if not any(letter.isalnum() for letter in bare):
        return
    if _begins(said, fold(FILED)):
        yield Item(text=entry, kind=ItemKind.FILED, name=bare)
    elif said.startswith(_POINTERS):
        yield Item(text=entry, kind=ItemKind.POINTER, name=bare, role=role)
    elif any(_begins(said, each) for each in _PERSONS):
        yield Item(text=entry, kind=ItemKind.PERSON, name=_behind(bare), role=role)
    elif any(_begins(said, each) for each in _MANY):
        yield Item(text=entry, kind=ItemKind.MANY, name=bare, role=role)
    else:
        for name in _names(bare):
            own, parent = _under(name)
            yield Item(text=name, kind=ItemKind.AGENCY, name=own, parent=parent, role=role)


def _role(entry: str) -> tuple[RecipientRole | None, str]:
    """The purpose in brackets, or behind a dash, and the entry without it."""
    role = None
    for said in _BRACKET.findall(entry):
        role = role or _ROLES.get(fold(said))
    bare = _BRACKET.sub(lambda match: "" if fold(match[1]) in _ROLES else match[0], entry)
    head, dash, tail = bare.rpartition(" - ")
    if dash and fold(tail) in _ROLES:
        role, bare = role or _ROLES[fold(tail)], head
    return role, " ".join(bare.split()).strip(" .,;")


def _names(bare: str) -> Iterator[str]:
    """Codes may stand between commas or blanks; names with commas in them are left whole unless each part is a code."""
    parts = [each for each in re.split(r"[,\s]+", bare) if each]
    if len(parts) > 1 and all(map(is_code, parts)):
        yield from parts
        return
    commas = [each.strip() for each in bare.split(",") if each.strip()]
    if len(commas) > 1 and all(map(_begins_as_agency, commas)):
        # Each part begins as agencies do: a list. Else the comma belongs to a name, as in those of ministries.
        yield from commas
        return
    yield bare


def _under(name: str) -> tuple[str, str | None]:
    """A name with what it belongs to: in brackets, or before a stroke or behind a dash."""
    if is_code(name):
        return name, None
    bracket = _BRACKET.search(name)
    if bracket is not None and is_code(bracket[1]):
        return bracket[1], None  # a code beside its name says it all
    own, stroke, above = name.partition(" - ")
    if stroke and above and own:
        return own.strip(), above.strip()
    return name, None


def is_code(text: str) -> bool:
    written = text.strip().upper()
    if not any(each.isdigit() for each in written):
        return False
    try:
        AgencyCode.parse(written)
    except BadCode:
        return False
    return True


def is_bare_post(item: Item) -> bool:
    """A post that names no agency is one of the very agency that writes; a person by name may be anybody."""
    said = fold(item.name)
    is_post = any(_begins(said, each) for each in _PERSONS)
    return item.kind is ItemKind.PERSON and is_post and not any(_begins(said, each) for each in _BY_NAME)


def _behind(bare: str) -> str:
    """The agency that a person stands for, as far as the words tell it."""
    words = bare.split()
    begins = next((n for n in range(1, len(words)) if _begins_as_agency(" ".join(words[n:]))), None)
    return bare if begins is None else " ".join(words[begins:])


def _begins_as_agency(name: str) -> bool:
    return any(_begins(fold(name), each) for each in _AGENCIES)


def _begins(text: str, words: str) -> bool:
    """Whole words alone."""
    return text.startswith(words) and not text[len(words) : len(words) + 1].isalnum()
