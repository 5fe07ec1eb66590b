"""What the demonstration's documents say, on paper as in the data that go with them. In: the cast's words, a key, a day.
Out: `Paper`s, so that number, date and subject on the page are those that are sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from gateway.demo.papers import Paper, appendix
from gateway.words import paper as words

# The cast as it is in its file: words under words.
Data = Mapping[str, Any]


def paper(data: Data, key: str, day: date, **changed: str) -> Paper:
    """The document under that key; `changed` are its fields where a draft says something else."""
    told = {**data["documents"][key], **changed}
    actor = told.get("from", "province")
    name, title, competence = told["signer"]
    receivers = tuple(data[each]["name"] for each in told["to"])
    kind, is_letter = told["type"], told["type"] == words.LETTER
    head, subject = data["heads"][actor], about(told["subject"], kind)
    return Paper(
        above=head["above"],
        issuer=tuple(head["issuer"]),
        number=told["number"],
        symbol=told["symbol"],
        place=data["words"]["place"],
        day=day,
        heading="" if is_letter else kind.upper(),
        subject=told["subject"] if is_letter else subject[:1].upper() + subject[1:],
        urgent=words.EXPRESS if told.get("express") else "",
        addressed=receivers if kind in words.WITH_ADDRESSEE else (),
        body=_filled(data["bodies"][kind], agency=data[actor]["name"], about=subject),
        recipients=(
            *((words.AS_ABOVE,) if is_letter else receivers),
            words.FILED.format(units=head["filed"]),
        ),
        positions=tuple(each.upper() for each in (competence, title) if each),
        signer=name,
    )


def about(subject: str, kind: str) -> str:
    """The matter alone, without the words that name the type or lead in."""
    for lead in (words.ABOUT, f"{kind} "):
        subject = subject.removeprefix(lead)
    return subject


def attached(data: Data, key: str, day: date) -> bytes:
    """The appendix of that document."""
    return appendix(paper(data, key, day), data["documents"][key]["type"], data["bodies"]["appendix"])


def from_outside(data: Data, told: Data, day: date, receiver: str) -> Paper:
    """A letter of somebody who is on no node, as it came on paper."""
    return Paper(
        issuer=(told["sender"].upper(),),
        number=told["number"],
        symbol=told["symbol"],
        place=data["words"]["place"],
        day=day,
        subject=told["subject"],
        addressed=(data[receiver]["name"],),
        body=_filled(data["bodies"]["letter"], agency=told["sender"]),
        recipients=(words.AS_ABOVE, words.FILED.format(units="VT")),
        positions=(words.DIRECTOR,),
        signer=told["signer"],
    )


def _filled(lines: list[str], **named: str) -> tuple[str, ...]:
    return tuple(each.format(**named) for each in lines)
