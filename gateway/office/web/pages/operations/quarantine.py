"""Packets that did not become a document: look into one without opening it, decide about it. In: an id. Out: its tree, its
bytes, or the act done by the flows. An operator sees routing and form; whoever reads more is written down first."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from gateway.errors import Clash, NotFound
from gateway.incoming import decide
from gateway.office.accounts import reading
from gateway.office.domain.right import Manner, Right
from gateway.office.web import files_out
from gateway.office.web.files_out import Content
from gateway.office.web.pages.operations.ground import DECIDES, KEY, LOOKS, PATH, is_operator, page, reason
from gateway.office.web.routes import Who, get, post
from gateway.office.web.visit import Visit
from gateway.ports import InboxItem
from gateway.words import labels

_LIST = f"{PATH}/cach-ly"
_ONE = f"{_LIST}/{{id}}"
MOST = 200
_ACTS = {"tha": "release", "tra-lai": "return", "loai-bo": "discard"}
_OPEN = ("held", "waiting", "quarantined", "malformed")


async def shown(visit: Visit) -> web.StreamResponse:
    where = _where(visit)
    items = await visit.deps.operations.aside.waiting(where, MOST)
    codes = {each.id: each.code for each in await visit.deps.store.hosted()}
    return await page(visit, "aside", "aside", items=items, codes=codes, most=MOST, everywhere=not where)


async def one(visit: Visit) -> web.StreamResponse:
    item = await _item(visit)
    reads = _reads(visit, item)
    tree, absent = None, item.state not in _OPEN
    if reads:
        await reading.read(visit.deps.accounts, visit.person, item.id, file="tree")
    try:
        if not absent:
            tree = await visit.deps.operations.aside.tree(item, routing_only=not reads)
    except NotFound:
        absent = True
    return await page(
        visit,
        "aside",
        "packet",
        title=visit.say("operating.packet.title", id=item.id),
        item=item,
        tree=tree,
        absent=absent,
        reads=reads,
        decides=_decides(visit, item),
        acts=tuple(_ACTS),
        labelled=_labelled(visit),
    )


async def hexadecimal(visit: Visit) -> web.StreamResponse:
    item = await _content(visit, "hex")
    given = visit.ask("tu")
    start = int(given) if given.isascii() and given.isdigit() and len(given) < 12 else 0
    window = await visit.deps.operations.aside.window(item, start)
    return await page(
        visit,
        "aside",
        "packet_bytes",
        title=visit.say("operating.packet.bytes.title", id=item.id),
        item=item,
        window=window,
    )


async def file(visit: Visit) -> web.StreamResponse:
    """As it arrived, to be kept; never shown."""
    item = await _content(visit, "file")
    content = Content(
        name=f"{item.id}.bin",
        found_type="",
        size=item.size,
        sha256=str(item.file_digest),
        pieces=await visit.deps.operations.aside.read(item),
    )
    return await files_out.give(visit.request, content)


async def ask(visit: Visit) -> web.StreamResponse:
    return await _ask(visit, [])


async def done(visit: Visit) -> web.StreamResponse:
    name, item = _act(visit), await _item(visit)
    if not _decides(visit, item):
        raise Clash(f"{item.id} is {item.state}; there is nothing to decide")
    why, problems = reason(visit)
    code = visit.form.text("code")
    if name == "return" and code not in _reasons():
        problems.append(("code", visit.say("form.missing", field=visit.say("operating.packet.code"))))
    if problems:
        return await _ask(visit, problems)
    scope, desk = visit.scope(), visit.deps.inn
    if name == "release":
        await decide.release(desk, scope, item.id, why)
    elif name == "return":
        await decide.give_back(desk, scope, item.id, why, code)
    else:
        await decide.discard(desk, scope, item.id, why)
    return visit.said(_LIST, f"operating.packet.{name}")


async def _ask(visit: Visit, problems: list[tuple[str, str]]) -> web.Response:
    name, item = _act(visit), await _item(visit)
    return await page(
        visit,
        "aside",
        "packet_act",
        422 if problems else 200,
        title=visit.say(f"operating.packet.{name}"),
        item=item,
        name=name,
        path=visit.path("act"),
        open=_decides(visit, item),
        reasons=[
            ("", visit.say("operating.choose")),
            *((each, visit.say(f"reason.{each}")) for each in _reasons()),
        ],
        problems=problems,
        given=visit.form.flat(),
        labelled=_labelled(visit),
    )


def _where(visit: Visit) -> str:
    """The agency whose packets they are; of an operator all."""
    return "" if is_operator(visit) else visit.here.id


async def _item(visit: Visit) -> InboxItem:
    return await visit.deps.operations.aside.get(_where(visit), visit.path("id"))


async def _content(visit: Visit, what: str) -> InboxItem:
    """Denied for metadata alone; told in the log before the first byte. What became a document is read as that document,
    where recalls and seals are known."""
    item = await _item(visit)
    if item.state not in _OPEN or visit.agency is None or item.agency_id != visit.agency.id:
        raise NotFound(f"there is no packet {item.id} here")
    await reading.read(visit.deps.accounts, visit.person, item.id, file=what)
    return item


def _reads(visit: Visit, item: InboxItem) -> bool:
    own = visit.agency is not None and item.agency_id == visit.agency.id
    return own and item.state in _OPEN and visit.may(Right.SEE_CONTENT, Manner.YES)


def _decides(visit: Visit, item: InboxItem) -> bool:
    own = visit.agency is not None and item.agency_id == visit.agency.id
    return own and item.state in _OPEN and visit.may(Right.TAKE_IN, Manner.YES)


def _act(visit: Visit) -> str:
    name = _ACTS.get(visit.path("act"))
    if name is None:
        raise NotFound("there is no such act")
    return name


def _reasons() -> list[str]:
    found = labels.tails("reason")
    return [each for each in found if each.isupper() or "_" in each]


def _labelled(visit: Visit) -> Callable[[str, str], str]:
    def word(key: str, other: str) -> str:
        return visit.say(key) if labels.has(key) else other

    return word


ROUTES = (
    get(_LIST, "quarantine", shown, who=Who.READY, needs=LOOKS, key=KEY),
    get(_ONE, "quarantined", one, who=Who.READY, needs=LOOKS, key=KEY),
    get(f"{_ONE}/byte", "quarantined_bytes", hexadecimal, needs=DECIDES, key=KEY),
    get(f"{_ONE}/tai", "quarantined_file", file, needs=DECIDES, key=KEY),
    get(f"{_ONE}/quyet-dinh/{{act}}", "quarantined_ask", ask, needs=DECIDES, key=KEY),
    post(f"{_ONE}/quyet-dinh/{{act}}", "quarantined_decided", done, needs=DECIDES, key=KEY),
)
