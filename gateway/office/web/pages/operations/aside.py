"""Packets that were put aside. By the axis, grouped by why: look into one, hand one or a whole group out again, drop
one; every act says before what it does, and closing the page changes nothing. By this node, because they did not
become a document: look into one without opening it, decide about it. In: an id. Out: its tree, its bytes, or the act
done by the flows. An operator sees routing and form; whoever reads more is written down first."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial

from aiohttp import web

from gateway.domain.queues import InboxPacket
from gateway.edxml.parse import View
from gateway.errors import BadForm, Clash, InvalidEnvelope, NotFound, TransportFailure
from gateway.incoming import process
from gateway.office.accounts import acting
from gateway.office.domain.roles import Manner, Right
from gateway.office.web import answers
from gateway.office.web.answers import FileContent
from gateway.office.web.forms import Problems, whole_number
from gateway.office.web.pages.operations.state import (
    DECIDES,
    LOOKS,
    PATH,
    agency_codes,
    both,
    get,
    is_operator,
    tab_page,
    tab_question,
)
from gateway.office.web.routes import Who
from gateway.office.web.visits import Visit, claimed_sender
from gateway.ports.axis import DeadParcel
from gateway.words import labels

_DEAD = f"{PATH}/goi-tin-loi"
_DEAD_ONE = f"{_DEAD}/{{id}}"
_SORTS = (
    ("signature", re.compile(r"signature|certificate|SIG-|CERT-", re.IGNORECASE)),
    ("form", re.compile(r"schema|xml|malformed|parts|ENV-", re.IGNORECASE)),
    ("code", re.compile(r"recipient|unroutable|no queue|agency code", re.IGNORECASE)),
    ("size", re.compile(r"too large|limit of|size", re.IGNORECASE)),
    ("repeat", re.compile(r"duplicate|repeat|already", re.IGNORECASE)),
    ("tries", re.compile(r"times|expired|delivered", re.IGNORECASE)),
)
# What an axis says, and the key of the same in the reader's language.
_REASONS_KNOWN = (
    ("tries", re.compile(r"(?:delivered|handed out) (?P<count>\d+) times and never settled")),
    ("label", re.compile(r"its label cannot be read")),
    ("refused", re.compile(r"this node could not take it")),
    ("nobody", re.compile(r"none of its codes is hosted here any more")),
)
# Beside the groups by reason: those that a person ticked.
_CHOSEN = "chon"
SORTS = (*(name for name, _ in _SORTS), "unknown")


def sort_of(parcel: DeadParcel) -> str:
    """The class of its reason; the axis says it in words of its own."""
    return next((name for name, words in _SORTS if words.search(parcel.reason)), "unknown")


def reason_words(visit: Visit, parcel: DeadParcel) -> str:
    """Its reason for the reader; in the axis' own words where they are new to us."""
    for key, said in _REASONS_KNOWN:
        if found := said.search(parcel.reason):
            return visit.say(f"operating.dead.why.{key}", **found.groupdict())
    return parcel.reason


async def dead_letters_shown(visit: Visit) -> web.StreamResponse:
    wanted, fault = visit.ask("loai"), ""
    parcels: Sequence[DeadParcel] = ()
    try:
        parcels = await visit.deps.operations.dead.all()
    except TransportFailure as why:
        fault = str(why)
    groups = {name: [each for each in parcels if sort_of(each) == name] for name in SORTS}
    listed = groups.get(wanted, parcels)
    return await tab_page(
        visit,
        "dead",
        "dead",
        groups={name: len(each) for name, each in groups.items() if each},
        parcels=[(each, sort_of(each), reason_words(visit, each)) for each in listed],
        wanted=wanted,
        total=len(parcels),
        fault=fault,
    )


async def dead_letter_shown(visit: Visit) -> web.StreamResponse:
    parcel = await visit.deps.operations.dead.get(visit.path("id"))
    claims = await visit.deps.operations.dead.claims(parcel.id, visit.lang)
    title = visit.say("operating.parcel.title", id=parcel.packet_id)
    return await tab_page(visit, "dead", "parcel", title=title, claims=claims, **_told_of(visit, parcel))


async def retried(visit: Visit) -> web.StreamResponse:
    """Before it is done the page says what would now happen."""
    parcel = await visit.deps.operations.dead.get(visit.path("id"))
    if not visit.is_act:
        claims = await visit.deps.operations.dead.claims(parcel.id, visit.lang)
        words = ("operating.parcel_retry.title", "operating.parcel.order", "operating.dead.retry")
        return await _ask_of_parcel(visit, "retry", parcel, None, *words, claims=claims)
    await visit.deps.operations.dead.retry(visit.person.person.id, [parcel.id])
    return visit.said(_DEAD, "operating.retried")


async def group_retried(visit: Visit) -> web.StreamResponse:
    """Those that the page before named, and no other that came since."""
    if not visit.is_act:
        return await _group_page(visit)
    done = await visit.deps.operations.dead.retry(visit.person.person.id, visit.form.all("parcel"))
    return visit.said(_DEAD, "operating.retried" if done else "operating.retried.none")


async def _group_page(visit: Visit) -> web.Response:
    name = visit.path("sort")
    if name not in (*SORTS, _CHOSEN):
        raise BadForm("there is no such group")
    chosen = set(visit.request.query.getall("parcel", []))
    parcels = [
        each
        for each in await visit.deps.operations.dead.all()
        if (each.id in chosen if name == _CHOSEN else sort_of(each) == name)
    ]
    title = visit.say("operating.dead.retry" if name == _CHOSEN else "operating.dead.group")
    return await tab_page(visit, "dead", "parcels_retry", title=title, parcels=parcels, sort=name)


async def dropped(visit: Visit) -> web.StreamResponse:
    parcel, why = await visit.deps.operations.dead.get(visit.path("id")), visit.form.text("reason")
    if (problems := visit.short_reason()) or not visit.is_act:
        words = ("operating.parcel_drop.title", "", "operating.dead.drop")
        return await _ask_of_parcel(visit, "drop", parcel, problems, *words, grave=True)
    await visit.deps.operations.dead.drop(visit.person.person.id, parcel.id, why)
    return visit.said(_DEAD, "operating.dropped")


async def dead_letter_file(visit: Visit) -> web.StreamResponse:
    """What the axis knows of it. Its bytes hold a document, which an operator does not read."""
    parcel = await visit.deps.operations.dead.get(visit.path("id"))
    told = {
        "id": parcel.id,
        "packet": parcel.packet_id,
        "kind": parcel.kind,
        "sender": parcel.sender,
        "recipient": parcel.recipient,
        "lane": str(parcel.lane),
        "size": parcel.size,
        "sha256": str(parcel.digest),
        "deliveries": parcel.deliveries,
        "dead_at": parcel.dead_at.isoformat() if parcel.dead_at else None,
        "reason": parcel.reason,
    }
    return answers.whole_file(f"goi-tin-loi-{parcel.id}.json", "json", json.dumps(told).encode())


async def _ask_of_parcel(
    visit: Visit, which: str, parcel: DeadParcel, problems: Problems | None, *words: str, **values: object
) -> web.Response:
    back, told = f"{_DEAD}/{parcel.id}", _told_of(visit, parcel)
    ask = partial(tab_question, visit, "dead", which, problems, *words)
    return await ask(back=back, id=parcel.packet_id, **told, **values)


def _told_of(visit: Visit, parcel: DeadParcel) -> dict[str, object]:
    return {"parcel": parcel, "sort": sort_of(parcel), "why": reason_words(visit, parcel)}


_QUARANTINE = f"{PATH}/cach-ly"
_QUARANTINED = f"{_QUARANTINE}/{{id}}"
MOST_QUARANTINED = 200
_ACTS = {"tha": "release", "tra-lai": "return", "loai-bo": "discard"}
_OPEN = ("held", "waiting", "quarantined", "malformed")
# Somebody changed the packet after it was signed: it is not let in, whoever looks at it again.
_CHANGED = frozenset({"SIG-DIGEST", "SIG-PROPERTIES", "SIG-VALUE"})
_LONGEST_NUMBER = 60


async def quarantine_shown(visit: Visit) -> web.StreamResponse:
    where = _where(visit)
    items = await visit.deps.operations.aside.waiting(where, MOST_QUARANTINED)
    return await tab_page(
        visit,
        "aside",
        "aside",
        items=[(each, await claimed_sender(visit, each)) for each in items],
        codes=await agency_codes(visit),
        most=MOST_QUARANTINED,
        everywhere=not where,
    )


async def packet_shown(visit: Visit) -> web.StreamResponse:
    item = await _quarantined_item(visit)
    reads = _is_open_here(visit, item) and visit.may(Right.SEE_CONTENT, Manner.YES)
    tree, absent = None, item.state not in _OPEN
    if reads:
        await acting.note_reading(visit.deps.accounts, visit.person, item.id, file="tree")
    try:
        if not absent:
            tree = await visit.deps.operations.aside.tree(item, routing_only=not reads)
    except NotFound:
        absent = True
    return await tab_page(
        visit,
        "aside",
        "packet",
        title=await _heading(visit, item, tree),
        sender=await claimed_sender(visit, item),
        item=item,
        tree=tree,
        absent=absent,
        reads=reads,
        decides=_decides(visit, item),
        acts=sorted(_ACTS, key=lambda act: act != ("tra-lai" if item.code in _CHANGED else "tha")),
        labelled=visit.say_or,
    )


async def packet_bytes_shown(visit: Visit) -> web.StreamResponse:
    item = await _item_to_read(visit, "hex")
    start = whole_number(visit.ask("tu"), 11) or 0
    window = await visit.deps.operations.aside.window(item, start)
    return await tab_page(
        visit,
        "aside",
        "packet_bytes",
        title=visit.say("operating.packet.bytes.title", sender=await claimed_sender(visit, item)),
        item=item,
        window=window,
    )


async def packet_file(visit: Visit) -> web.StreamResponse:
    """As it arrived, to be kept; never shown."""
    item = await _item_to_read(visit, "file")
    content = FileContent(
        name=f"{item.id}.bin",
        found_type="",
        size=item.size,
        sha256=str(item.file_digest),
        pieces=await visit.deps.operations.aside.read(item),
    )
    return await answers.give_file(visit.request, content)


async def decision_done(visit: Visit) -> web.StreamResponse:
    if (name := _ACTS.get(visit.path("act"))) is None:
        raise NotFound("there is no such act")
    item = await _quarantined_item(visit)
    if visit.is_act and not _decides(visit, item):
        raise Clash(f"{item.id} is {item.state}; there is nothing to decide")
    why, code = visit.form.text("reason"), visit.form.text("code")
    problems = visit.short_reason()
    if name == "return" and code not in _decision_reasons():
        problems.append(visit.missing("code", "operating.packet.code"))
    if problems or not visit.is_act:
        return await _decision_page(visit, name, item, problems)
    scope, desk = visit.scope(), visit.deps.inn
    told = f"operating.packet.{name}"
    if name == "return":
        try:
            await process.give_back(desk, scope, item.id, why, code)
        except InvalidEnvelope:
            await process.return_unanswered(desk, scope, item.id, f"{visit.say(f'reason.{code}')}: {why}")
            told = "operating.packet.return.unanswered"
    else:
        await (process.release if name == "release" else process.discard)(desk, scope, item.id, why)
    return visit.said(_QUARANTINE, told)


async def _decision_page(visit: Visit, name: str, item: InboxPacket, problems: Problems) -> web.Response:
    is_open, unproved = _decides(visit, item), visit.say("operating.packet.return.unproved")
    return await tab_question(
        visit,
        "aside",
        name,
        problems,
        f"operating.packet.{name}",
        f"operating.packet.{name}.says",
        f"operating.packet.{name}",
        back=f"{_QUARANTINE}/{item.id}" if is_open else _QUARANTINE,
        closed="" if is_open else visit.say("operating.packet.closed"),
        more=(unproved,) if name == "return" and item.sender_code is None else (),
        grave=name == "discard",
        sender=await claimed_sender(visit, item),
        item=item,
        reasons=[
            ("", visit.say("operating.choose")),
            *((each, visit.say(f"reason.{each}")) for each in _decision_reasons()),
        ],
    )


async def _heading(visit: Visit, item: InboxPacket, tree: View | None) -> str:
    """Who it says that it comes from, and under which number."""
    sender = await claimed_sender(visit, item)
    number = "/".join(filter(None, (_first_text(tree, "CodeNumber"), _first_text(tree, "CodeNotation"))))
    if not number:
        return visit.say("operating.packet.title", sender=sender)
    return visit.say("operating.packet.title.numbered", sender=sender, number=number)


def _first_text(tree: View | None, element: str) -> str:
    texts = (each for each in tree.lines if each.kind == "text") if tree is not None else ()
    return next(
        (each.value[:_LONGEST_NUMBER] for each in texts if each.name.rpartition(":")[2] == element), ""
    )


def _where(visit: Visit) -> str:
    """The agency whose packets they are; of an operator all."""
    return "" if is_operator(visit) else visit.here.id


async def _quarantined_item(visit: Visit) -> InboxPacket:
    return await visit.deps.operations.aside.get(_where(visit), visit.path("id"))


async def _item_to_read(visit: Visit, what: str) -> InboxPacket:
    """Denied for metadata alone; told in the log before the first byte. What became a document is read as that document,
    where recalls and seals are known."""
    item = await _quarantined_item(visit)
    if not _is_open_here(visit, item):
        raise NotFound(f"there is no packet {item.id} here")
    await acting.note_reading(visit.deps.accounts, visit.person, item.id, file=what)
    return item


def _is_open_here(visit: Visit, item: InboxPacket) -> bool:
    return item.state in _OPEN and visit.agency is not None and item.agency_id == visit.agency.id


def _decides(visit: Visit, item: InboxPacket) -> bool:
    return _is_open_here(visit, item) and visit.may(Right.TAKE_IN, Manner.YES)


def _decision_reasons() -> list[str]:
    found = labels.tails("reason")
    return [each for each in found if each.isupper() or "_" in each]


_DECIDED = {"who": Who.MEMBER, "needs": DECIDES}


ROUTES = (
    get(_DEAD, "dead_letters", dead_letters_shown),
    *both(f"{_DEAD}/nhom/{{sort}}/gui-lai", "dead_letters_ask", "dead_letters_retried", group_retried),
    get(_DEAD_ONE, "dead_letter", dead_letter_shown),
    get(f"{_DEAD_ONE}/tai", "dead_letter_file", dead_letter_file),
    *both(f"{_DEAD_ONE}/gui-lai", "dead_letter_retry", "dead_letter_retried", retried),
    *both(f"{_DEAD_ONE}/bo", "dead_letter_drop", "dead_letter_dropped", dropped),
    get(_QUARANTINE, "quarantine", quarantine_shown, needs=LOOKS),
    get(_QUARANTINED, "quarantined", packet_shown, needs=LOOKS),
    get(f"{_QUARANTINED}/byte", "quarantined_bytes", packet_bytes_shown, **_DECIDED),
    get(f"{_QUARANTINED}/tai", "quarantined_file", packet_file, **_DECIDED),
    *both(
        f"{_QUARANTINED}/quyet-dinh/{{act}}",
        "quarantined_ask",
        "quarantined_decided",
        decision_done,
        **_DECIDED,
    ),
)
