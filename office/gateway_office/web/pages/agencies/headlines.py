"""Changes of the organisation as headings: by the names of their agencies. In: a change. Out: one line, such as
Merger: A, B → C, with the names of today, or of a new agency as the change names it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gateway.domain.registry_reform import Reform
from gateway_office.web.page_requests import PageRequest

_MOST_NAMES = 10


async def names_in(request: PageRequest, reforms: Iterable[Reform]) -> dict[str, str]:
    """Return the names of the agencies that these changes concern, by code; of a new one as the change names it."""
    names: dict[str, str] = {}
    for reform in reforms:
        names |= {target.code: target.name for target in reform.targets if target.name}
        codes = (*reform.sources, *reform.ended, *reform.heirs, *(target.code for target in reform.targets))
        names |= await names_of_codes(request, set(codes) - names.keys())
    return names


async def names_of_codes(request: PageRequest, codes: Iterable[str]) -> dict[str, str]:
    """Return the names of entries of the registry, also of such as have ended."""
    entries = [await request.deps.registry.entry(code) for code in sorted(set(codes))]
    return {entry.code: entry.name for entry in entries if entry is not None}


def headline(request: PageRequest, reform: Reform, names: Mapping[str, str]) -> str:
    """Say a change by the names of its agencies."""
    heirs = tuple(target.code for target in reform.targets) or reform.heirs
    sides = [name_list(codes, names) for codes in (reform.sources or reform.ended, heirs) if codes]
    if reform.name:
        sides.append(reform.name)
    return f"{request.say(f'reform.kind.{reform.kind}')}: {' → '.join(dict.fromkeys(sides))}"


def name_list(codes: Sequence[str], names: Mapping[str, str]) -> str:
    """Join the names of agencies; a code stands for itself where it has none."""
    listed = ", ".join(names.get(code, code) for code in codes[:_MOST_NAMES])
    return f"{listed} …" if len(codes) > _MOST_NAMES else listed
