"""Render the page of an evidence pack, for a judge without special software. In: the pack's story and its other files. Out:
one printable HTML file in Vietnamese, without scripts or external resources; every foreign text is escaped.

Render the page that checks proofs in a browser without network, in the words of `gateway verify`. In: a policy. Out: one
HTML file, which may load and send nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway.document_view.facts import heir_text, received_word, state_word
from gateway.document_view.seals import signer_text
from gateway.domain.event import NAMING_KINDS
from gateway.domain.evidence import Party, Story, StoryPacket
from gateway.domain.notes import LogPolicy
from gateway.domain.proof_code import TAG, UNSEALED, DrawnProof
from gateway.domain.states import CODES
from gateway.domain.text import plain
from gateway.domain.wall_clock import local
from gateway.ops.evidence.pack_file import PackPart
from gateway.words import labels

LANG = "vi"
# The kinds of proof, in the order in which the page explains them.
PROOFS = ("signature", "receipt", "log", "stamp", "revocation", "manifest")
# The texts that the page of proofs fills in by itself, and their parameters.
_PROOF_WORDS = (
    *("form.failed", "path.ok", "path.failed", "log.ok", "log.unknown", "witnesses.ok", "witnesses.unknown"),
    *("file.ok", "file.failed", "file.unknown", "line", "existed", "page.browser"),
    *("verdict.valid", "verdict.invalid", "verdict.unknown"),
)
_PARAMETERS = (
    "detail",
    "index",
    "size",
    "origin",
    "keys",
    "seen",
    "of",
    "names",
    "sha256",
    "count",
    "kind",
    "at",
    "document",
)
_UNFILLED = {name: f"{{{name}}}" for name in _PARAMETERS}
_OK = {True: "cli.step.ok", False: "cli.step.failed", None: "cli.step.not_reached"}


def page(
    story: Story,
    parts: Sequence[PackPart],
    file: str,
    lang: str = LANG,
    *,
    code: DrawnProof = UNSEALED,
) -> str:
    """Render the page; `file` is the name that the pack will have, `code` the proof that stands on it."""
    say = partial(_say, lang)
    pages = _templates()
    pages.filters |= {
        "plain": plain,
        "clock": clock,
        "party": party,
        "day": lambda text: labels.day(text, lang) if text else "",
        "size": lambda size: labels.kilobytes(size, lang),
        "ok": lambda ok: say(_OK[ok]),
        "outcome": lambda state: plain(state_word(state, lang)),
        "packet": partial(packet_word, lang=lang),
        "trusted": partial(trusted_time, say, sealed_times(story)),
        "whose": lambda signer: plain(signer_text(signer, lang)),
        "meaning": lambda code: f": {say(f'code.{code}')}" if labels.has(f"code.{code}") else "",
    }
    template = pages.get_template("evidence.html")
    word = received_word if story.direction == "in" else state_word
    state = plain(word(story.state, lang))
    return template.render(
        say=say, lang=lang, story=story, state=state, parts=parts, proofs=PROOFS, file=file, code=code
    )


def proof_page(policy: LogPolicy, lang: str = LANG) -> str:
    """Render the page that checks proofs; it trusts this policy until its user changes it."""
    say = partial(_say, lang)
    words = {f"proof.{key}": say(f"proof.{key}", **_UNFILLED) for key in _PROOF_WORDS}
    template = _templates().get_template("proof.html")
    return template.render(
        say=say, lang=lang, policy=policy.to_text(), words=words, kinds=sorted(NAMING_KINDS), tag=TAG
    )


def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("gateway.ops.evidence", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def clock(at: datetime) -> str:
    """Format a time as Vietnamese local time, with its offset."""
    return local(at).strftime("%d/%m/%Y %H:%M:%S (+07:00)")


def party(p: Party) -> str:
    return plain(f"{p.name} ({p.code})" if p.name else p.code)


def packet_word(packet: StoryPacket, lang: str) -> str:
    """Return the label of a packet: its kind, and for a status the code and its meaning."""
    kind = plain(labels.say_or(f"kind.{packet.kind}", packet.kind, lang))
    if packet.status is None:
        return kind
    row = CODES.get(packet.status)
    meaning = state_word(row.key, lang) if row is not None else ""
    word = f"{kind} {plain(packet.status)} {meaning}".strip()
    heir = heir_text(packet.sender.code, packet.heir_by, lang)
    return f"{word} ({plain(heir)})" if heir else word


def sealed_times(story: Story) -> dict[str, datetime | None]:
    """Return the earliest trusted time of each packet that the log names, by digest; None when no timestamp covers it."""
    stamps = {seal.number: seal.stamped_at for seal in story.seals}
    times: dict[str, datetime | None] = {}
    for event in story.events:
        at = stamps.get(event.seal)
        for digest in event.names:
            earliest = times.setdefault(digest, at)
            if at is not None and (earliest is None or at < earliest):
                times[digest] = at
    return times


def trusted_time(say: Callable[..., str], times: Mapping[str, datetime | None], packet: StoryPacket) -> str:
    """Return the trusted time before which the packet existed, or words that tell why there is none."""
    if packet.sha256 not in times:
        return say("evidence.page.not_logged")
    at = times[packet.sha256]
    return clock(at) if at is not None else say("evidence.page.untrusted")


def _say(lang: str, key: str, **params: object) -> str:
    return labels.say(key, lang, **params)
