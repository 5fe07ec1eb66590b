"""One authority that is asked about revocation, in words and for programs: for `gateway trust` and `gateway status`. In:
its state. Out: a line, or plain values."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.cli import output
from gateway.cli.ages import age
from gateway.cli.command import Call

if TYPE_CHECKING:
    from gateway.ops.trust_state import IssuerState, ListState


def issuer_line(call: Call, each: IssuerState, now: datetime) -> str:
    """One authority in one line."""
    old = age(call, now - each.oldest) if each.oldest else "–"
    told = {"certificates": each.certificates, "unanswered": each.unanswered, "age": old}
    why = output.plain(each.error) if each.error else "–"
    return call.word(f"trust.asked.{each.word}", issuer=output.plain(each.issuer), why=why, **told)


def list_line(call: Call, each: ListState, now: datetime) -> str:
    """One revocation list in one line."""
    told = {"issuer": output.plain(each.issuer), "origin": output.plain(each.origin)}
    if each.made_at is None:
        return call.word("trust.list.none", why=output.plain(each.error or "–"), **told)
    until = output.clock(each.ends_at) or "–"
    return call.word("trust.list", age=age(call, now - each.made_at), until=until, **told)


def shown_issuer(each: IssuerState) -> dict[str, Any]:
    """The same for programs."""
    return {
        "issuer": each.issuer,
        "state": each.word,
        "certificates": each.certificates,
        "unanswered": each.unanswered,
        "oldest": output.stamp(each.oldest),
        "error": each.error,
        "lists": [shown_list(one) for one in each.lists],
    }


def shown_list(each: ListState) -> dict[str, Any]:
    """The same for programs."""
    return {
        "issuer": each.issuer,
        "origin": each.origin,
        "made_at": output.stamp(each.made_at),
        "ends_at": output.stamp(each.ends_at),
        "error": each.error,
    }
