"""Agencies as people name them in forms: by a code, old or new, by a name, or as the list of suggestions writes them, the
name with its code in brackets. In: what was typed. Out: the code of today, or the sentence that stands beside the
field: nobody is guessed, and of several agencies of such a name each is told with its code. And the suggestions
themselves, a part of a page that a script asks for while somebody types."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aiohttp import web

from gateway.domain.registry import AgencyEntry
from gateway.office.web.pages.agencies import ground
from gateway.office.web.routes import Who, get
from gateway.office.web.visits import Visit

_IN_BRACKETS = re.compile(r".*\(([^()\s]{1,75})\)\s*", re.S)
_CODE = re.compile(r"[\w.\-]+")
MOST_OFFERS = 8
# Among those found are some that have ended; those in force shall not lose their place to them.
_LOOKED_AT = 40
_FEWEST_LETTERS = 2


def written(entry: AgencyEntry) -> str:
    """As the suggestions write it; `known_code` reads it back."""
    return f"{entry.name} ({entry.code})"


def split_names(text: str) -> tuple[str, ...]:
    """One on a line, or apart by semicolons; by commas too where nothing but codes stands there, as names have commas."""
    names = [name for line in re.split(r"[\n;]", text) for name in _split_codes(line)]
    return tuple(" ".join(name.split()) for name in names if name.strip())


def _split_codes(line: str) -> list[str]:
    """Split a line at its commas where every part is a code; the last part may be empty."""
    parts = [part.strip() for part in line.split(",")]
    codes = parts[:-1] if len(parts) > 2 and not parts[-1] else parts
    is_list = len(codes) > 1 and all(map(_CODE.fullmatch, codes))
    return codes if is_list else [line]


async def known_code(visit: Visit, text: str) -> tuple[str, str]:
    """Its code of today, and what is wrong where nobody, or more than one, is called so."""
    registry, today = visit.deps.registry, visit.deps.out.today()
    bare = await in_brackets(visit, text)
    if (entry := await registry.entry(bare)) is not None:
        return entry.code, ""
    found = await registry.resolve(bare, today)
    if found.entry is not None:
        return found.entry.code, ""
    if near := await offers(visit, text):
        return text, visit.say("agencies.which", text=text, list="; ".join(map(written, near)))
    return text, ground.unknown(visit, text, found.nearest)


async def in_brackets(visit: Visit, text: str) -> str:
    """The code behind a name, where the registry has it; else the text as it is."""
    code = _IN_BRACKETS.fullmatch(text)
    known = code is not None and await visit.deps.registry.entry(code[1]) is not None
    return code[1] if code is not None and known else text


async def offers(visit: Visit, text: str) -> Sequence[AgencyEntry]:
    """Those in force whose code begins so, or whose name has these words, with accents or without."""
    if len(text.strip()) < _FEWEST_LETTERS:
        return ()
    today = visit.deps.out.today()
    found = await visit.deps.registry.search(text, _LOOKED_AT)
    return [each for each in found if each.valid_to is None or today <= each.valid_to][:MOST_OFFERS]


async def suggested(visit: Visit) -> web.StreamResponse:
    found = await offers(visit, visit.ask("q")[:200])
    made = [(written(each), each) for each in found]
    return visit.piece("agencies/_suggest.html", found=made)


ROUTES = (get("/co-quan/goi-y", "agencies_named", suggested, who=Who.READY, key="agencies", quiet=True),)
