"""Recipients chosen rather than typed: offers while a name is typed, the tree of agencies, the saved groups. In: what was
typed or ticked. Out: a region for the form, or the draft with those recipients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aiohttp import web

from gateway.domain.registry import AgencyEntry
from gateway.office.web.pages.compose import addressing, editor
from gateway.office.web.pages.compose.acts import put_recipients
from gateway.office.web.visit import Visit
from gateway.outgoing.addressing import groups, remove_group
from gateway.outgoing.drafting import remaining

_MOST_OFFERS = 12
_MOST_BRANCHES = 400
_DEEPEST = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One agency of the tree, with those directly under it."""

    entry: AgencyEntry
    below: Sequence[AgencyEntry] = ()


async def suggested(visit: Visit) -> web.StreamResponse:
    text = visit.ask("q")[:200]
    found = await visit.deps.agencies.search(text, _MOST_OFFERS) if len(text) > 1 else ()
    today = visit.deps.out.today()
    alive = [each for each in found if each.valid_to is None or today <= each.valid_to]
    return visit.piece("compose/_suggest.html", found=alive, asked=text)


async def tree(visit: Visit) -> web.StreamResponse:
    """Begins at the top above the own agency; each agency opens what is under it."""
    document = await editor.load(visit, visit.path("id"))
    root = await _root(visit, visit.ask("goc") or visit.here.code)
    branches: list[Branch] = []
    if root is not None:
        under = visit.deps.agencies.children
        first = (await under(root.code))[:_MOST_BRANCHES]
        branches = [Branch(entry=each, below=await under(each.code)) for each in first]
    there = {each.code for each in remaining(document.draft, document.change)}
    return await visit.page(
        "compose/tree.html",
        title=visit.say("compose.tree"),
        document=document,
        root=root,
        branches=branches,
        there=there,
        query=visit.ask("goc"),
    )


async def ticked(visit: Visit) -> web.StreamResponse:
    document = await editor.load(visit, visit.path("id"))
    now = remaining(document.draft, document.change)
    role = addressing.role_of(visit.form.text("new_role"))
    now = addressing.with_codes(now, visit.form.all("code"), role)
    await put_recipients(visit, document, replace(document.draft, recipients=now))
    answer = visit.said(f"/phat-hanh/{document.id}", "compose.added")
    answer.headers["Location"] += "#noi-nhan"
    return answer


async def groups_page(visit: Visit) -> web.StreamResponse:
    return await visit.page(
        "compose/groups.html",
        title=visit.say("compose.groups"),
        groups=await groups(visit.deps.store, visit.scope()),
    )


async def group_removed(visit: Visit) -> web.StreamResponse:
    await remove_group(visit.deps.store, visit.scope(), visit.form.text("name"))
    return visit.said("/phat-hanh/nhom", "compose.group.removed")


async def _root(visit: Visit, code: str) -> AgencyEntry | None:
    """What was asked for where it was typed; else the top above the own agency."""
    agencies = visit.deps.agencies
    if visit.ask("goc"):
        return await agencies.entry(code) or next(iter(await agencies.search(code, 1)), None)
    entry = await agencies.entry(code)
    for _ in range(_DEEPEST):
        above = await agencies.entry(entry.parent) if entry is not None and entry.parent else None
        if above is None:
            break
        entry = above
    return entry
