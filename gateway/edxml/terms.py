"""Writes, reads and checks `gw:Terms` (W6a): their form, which terms each kind of packet may carry, and whether they
agree with the envelope. The writer and both readers use only this module, so that they cannot differ. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from gateway.domain.document import DeliveryMode, Kind, RecipientRole
from gateway.domain.identity import Digest
from gateway.domain.proof import Terms
from gateway.edxml.names import (
    TEXT,
    escape,
    escape_attribute,
    instant,
    parse_instant,
    unescape,
    word_fault,
)
from gateway.edxml.policy import EnvelopeLimits

if TYPE_CHECKING:
    from gateway.edxml.envelope import Envelope

LONGEST_NUMBER: Final = 50
RECIPIENT: Final = "Recipient"
NAMES: Final = ("ReplyRequired", "DueAt", "DeliveryMode", RECIPIENT, "RegisterNumber", "RegisterYear")
"""Children in their order, each at most once, but one `RECIPIENT` per receiver."""

_WITH_FILES: Final = frozenset({Kind.DOCUMENT, Kind.UPDATE, Kind.REPLACEMENT})
_PAPER: Final = {DeliveryMode.ELECTRONIC: 0, DeliveryMode.BOTH: 1}
_FLAGS: Final = {"true": True, "false": False}
_YEAR: Final = re.compile(r"[0-9]{4}")
_TIMED_EXPRESS: Final = 4
_ACCEPTED: Final = "03"
_MOST_RECIPIENTS: Final = EnvelopeLimits().recipients
# A code has no control character (see `word_fault`).
_CODE: Final = rb'[^&<"\x00-\x1f]*+(?:&(?:amp|lt|quot);[^&<"\x00-\x1f]*+)*+'
_MODES: Final = {mode.encode(): mode for mode in DeliveryMode}
_ROLES: Final = {role.encode(): role for role in RecipientRole}
_RECIPIENT: Final = re.compile(b'Code="([^"]*)" Role="([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One child as read: a text, or the code and role of a recipient."""

    name: str
    text: str = ""
    code: str = ""
    role: str = ""


def render(terms: Terms) -> bytes:
    """Return the element in canonical form."""
    return b"<gw:Terms>" + b"".join(_children(terms)) + b"</gw:Terms>"


@lru_cache(maxsize=16)
def digest(terms: Terms | None) -> Digest | None:
    """Return the digest of the terms, to compare a repeated packet with the first; None where there are none."""
    return Digest.of_bytes(hashlib.sha256(render(terms)).digest()) if terms else None


def read(children: Iterable[Child]) -> Terms:
    """Read the children. ValueError for one that is unknown, repeated, out of order or without a valid value; `fault`
    judges whether the packet may carry them."""
    texts: dict[str, str] = {}
    roles: list[tuple[str, RecipientRole]] = []
    place = 0
    for child in children:
        if child.name not in NAMES or NAMES.index(child.name) < place or child.name in texts:
            raise ValueError(f"{child.name} is not known here, stands twice, or in another order")
        place = NAMES.index(child.name)
        if child.name == RECIPIENT:
            roles.append((child.code, RecipientRole(child.role)))
        else:
            texts[child.name] = child.text
    return Terms(
        reply_required=_flag(texts.get("ReplyRequired")),
        due_at=parse_instant(texts["DueAt"]) if "DueAt" in texts else None,
        delivery_mode=DeliveryMode(texts["DeliveryMode"]) if "DeliveryMode" in texts else None,
        roles=tuple(roles),
        register_no=texts.get("RegisterNumber"),
        register_year=_year(texts.get("RegisterYear")),
    )


def parse(raw: bytes) -> Terms:
    """Read terms that `render` wrote; ValueError for anything else."""
    match = _SHAPE.fullmatch(raw)
    if match is None:
        raise ValueError("not in canonical form")
    reply, due, mode, recipients, number, year = match.groups()
    pairs = [(unescape(code.replace(b"&quot;", b'"')), role) for code, role in _RECIPIENT.findall(recipients)]
    if not _ROLES.keys() >= {role for _, role in pairs}:
        raise ValueError("a recipient has a role that is not known")
    return Terms(
        reply_required=None if reply is None else reply == b"true",
        due_at=None if due is None else parse_instant(due.decode()),
        delivery_mode=None if mode is None else _MODES[mode],
        roles=tuple([(code, _ROLES[role]) for code, role in pairs]),
        register_no=None if number is None else unescape(number),
        register_year=None if year is None else int(year),
    )


def fault(terms: Terms, kind: Kind | None, *, receipt: bool) -> str | None:
    """Return why a packet of this kind cannot carry these terms, whatever its envelope (step 5), or None."""
    is_registered = (terms.register_no, terms.register_year) != (None, None)
    has_wishes = (terms.reply_required, terms.due_at, terms.delivery_mode, terms.roles) != (
        None,
        None,
        None,
        (),
    )
    if not (has_wishes or is_registered):
        return "says nothing; an empty one is left out"
    if has_wishes and kind not in _WITH_FILES:
        return "says more than the arrival number, which stands in a document, update or replacement alone"
    if is_registered and not receipt:
        return "says an arrival number, which stands in a receipt alone"
    if (terms.register_no is None) is not (terms.register_year is None):
        return "says one of RegisterNumber and RegisterYear; they stand together"
    return next(_wrong_values(terms), None)


def against(terms: Terms, model: Envelope) -> tuple[str, str] | None:
    """Return place and description of a contradiction between the terms and the envelope (step 11), or None."""
    unmatched = iter([to.organ_id for to in model.to])
    if not all(code in unmatched for code, _ in terms.roles):
        return "gw:Recipient", "gw:Recipient names a code that is not in To, or not in its order"
    if terms.due_at is not None and (model.other is None or model.other.priority != _TIMED_EXPRESS):
        return "gw:DueAt", f"gw:DueAt stands in a packet whose Priority is not {_TIMED_EXPRESS}"
    paper = model.business.paper if model.business else None
    if terms.delivery_mode is not None and paper != _PAPER.get(terms.delivery_mode, -1):
        return "gw:DeliveryMode", f"gw:DeliveryMode says {terms.delivery_mode}, Paper is {paper}"
    code = model.status.code if model.status else None
    if terms.register_no is not None and code != _ACCEPTED:
        return "gw:RegisterNumber", f"gw:RegisterNumber stands in a status whose StatusCode is {code}"
    return None


def _children(terms: Terms) -> Sequence[bytes]:
    children = []
    if terms.reply_required is not None:
        children.append(_leaf("ReplyRequired", "true" if terms.reply_required else "false"))
    if terms.due_at is not None:
        children.append(_leaf("DueAt", instant(terms.due_at)))
    if terms.delivery_mode is not None:
        children.append(_leaf("DeliveryMode", terms.delivery_mode))
    for code, role in terms.roles:
        attributes = (escape_attribute(code), role.encode())
        children.append(b'<gw:Recipient Code="%s" Role="%s"></gw:Recipient>' % attributes)
    if terms.register_no is not None:
        children.append(_leaf("RegisterNumber", terms.register_no))
    if terms.register_year is not None:
        children.append(_leaf("RegisterYear", f"{terms.register_year:04d}"))
    return children


def _leaf(local: str, text: str) -> bytes:
    name = local.encode()
    return b"<gw:%s>%s</gw:%s>" % (name, escape(text), name)


def _form(local: str, text: bytes) -> bytes:
    name = local.encode()
    return b"(?:<gw:%s>%s</gw:%s>)?" % (name, text, name)


_SHAPE: Final = re.compile(
    b"<gw:Terms>"
    + _form("ReplyRequired", b"(true|false)")
    + _form("DueAt", b"([0-9T:Z-]{20})")
    + _form("DeliveryMode", b"(%s)" % b"|".join(_MODES))
    + b'((?:<gw:Recipient Code="%s" Role="[a-z_]+"></gw:Recipient>)*+)' % _CODE
    + _form("RegisterNumber", TEXT)
    + _form("RegisterYear", b"([0-9]{4})")
    + b"</gw:Terms>"
)


def _wrong_values(terms: Terms) -> Iterator[str]:
    if terms.delivery_mode is not None and terms.delivery_mode not in _PAPER:
        yield f"says the delivery mode {terms.delivery_mode}, which does not travel"
    if terms.due_at is not None and (reason := _time_fault(terms.due_at)):
        yield f"says an hour that {reason}"
    codes = [code for code, _ in terms.roles]
    if len(codes) > _MOST_RECIPIENTS or len(set(codes)) < len(codes):
        yield f"names a recipient twice, or more than {_MOST_RECIPIENTS}"
    for code in codes:
        if reason := word_fault(code):
            yield f"names a recipient whose code {reason}"
    if terms.register_no is not None and (reason := word_fault(terms.register_no, LONGEST_NUMBER)):
        yield f"says an arrival number that {reason}"
    if terms.register_year is not None and not 0 <= terms.register_year <= 9999:
        yield f"says the year {terms.register_year}"


def _time_fault(at: datetime) -> str | None:
    if at.tzinfo is None:
        return "has no zone"
    try:
        instant(at)
    except OverflowError:
        return "no calendar has"
    return None


def _flag(text: str | None) -> bool | None:
    if text is None:
        return None
    if text not in _FLAGS:
        raise ValueError("ReplyRequired is neither true nor false")
    return _FLAGS[text]


def _year(text: str | None) -> int | None:
    if text is None:
        return None
    if not _YEAR.fullmatch(text):
        raise ValueError("RegisterYear is not four digits")
    return int(text)
