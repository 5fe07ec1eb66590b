"""What the program can be told to do, in the order of its help: each first word, and a sentence about it. The module of a
word is loaded when it is typed, because to load all of them takes longer than most commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from gateway.bootstrap import storeys

NOUNS = {
    "serve": "Run the API, the pages and the workers until stopped.",
    "init": "Set up a node: settings, database, your agency, its key pair and the first API key (printed once).",
    "send": "Send a document.",
    "sign": "Put the agency's signature on a PDF, in person: the seal, a copy's mark, or an appendix's mark.",
    "watch": "Print events as they happen, oldest first.",
    "status": "Show the node on one screen: axis, queues, late documents, certificates, backup, workers, speed.",
    "verify": "Check an envelope offline: who signed it, for whom, and whether that holds.",
    "read": "Read number, date, type, abstract and signer from a PDF, each marked: sure (✓), doubtful (?), not found (·).",
    "explain": "Say what an envelope says: who, to whom, what, which files.",
    "doctor": "Examine the node: settings, folders, disk, database, clock, keys, trust, axis, work left lying.",
    "backup": "Copy everything the node keeps into one sealed file, while it works.",
    "restore": (
        "Put a backup into an empty node, or prove with --drill that it can be; what is there is compared, row and file."
    ),
    "restored": "Show what to check on a restored node; with two names, confirm it, and let it work again.",
    "completion": "Print the script by which a shell completes commands and options; put it where your shell looks.",
    "version": "Print the version of the gateway and of Python.",
    "config": "Settings: those in force and where each came from.",
    "outbox": "Outgoing documents and where each recipient stands.",
    "inbox": "Incoming documents, and packets that did not become one.",
    "hold": "Documents under seal because they may be secret.",
    "registry": "Agency codes: who is who, on which day, and who came after.",
    "host": "The agencies that this node speaks for.",
    "keys": "Exchange keys: those with which the node signs packets for the agency.",
    "people": "Persons who decide what this node trusts; two of them for every change.",
    "proposals": "Changes of trust: one person proposes, another one approves.",
    "tokens": "API keys of the programs that speak for an agency.",
    "queue": "What waits, on the axis and in this node.",
    "axis": "The axis between nodes.",
    "trust": "Authorities: anchors, intermediates, and their answers about revocation.",
    "evidence": "Evidence packs: what proves that a document was sent or received.",
    "audit": "The log of everything that happened: search it, prove it, publish its seals.",
    "migrate": "The database's schema: where it stands, and bringing it up to date.",
}
# Words that another one's module brings along.
_BESIDE = {"restored": "restore"}


def known() -> dict[str, str]:
    """Every word with its sentence; another storey's words stand where it wants them."""
    hung = storeys.nouns()
    found: dict[str, str] = {}

    def add(word: str, sentence: str) -> None:
        found[word] = sentence
        for more, noun in hung.items():
            if noun.after == word:
                add(more, noun.sentence)

    for word, sentence in NOUNS.items():
        add(word, sentence)
    return found


class Commands(Mapping[str, Any]):
    """The commands by their first word, each made when it is asked for. Any: what the library makes of them has no public
    type."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, word: str) -> Any:
        if word not in known():
            raise KeyError(word)
        if word not in self._made:
            hung = storeys.nouns().get(word)
            self._made |= _made(hung.module if hung else f"gateway.cli.{_BESIDE.get(word, word)}")
        return self._made[word]

    def __contains__(self, word: object) -> bool:
        return word in known()

    def __iter__(self) -> Iterator[str]:
        return iter(known())

    def __len__(self) -> int:
        return len(known())


class Root(TyperGroup):
    """The program itself: its help knows every word and loads none."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        words = known()
        room = formatter.width - 6 - max(map(len, words))
        with formatter.section("Commands"):
            formatter.write_dl([(word, _short(word, words[word], room)) for word in words])

    def list_commands(self, ctx: Any) -> list[str]:
        return list(known())


def _short(word: str, sentence: str, room: int) -> str:
    """As much of its sentence as stands on the line, cut as the library cuts."""
    short: str = TyperCommand(name=word, help=sentence).get_short_help_str(room)
    return short


def _made(module: str) -> dict[str, Any]:
    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    app.callback()(lambda: None)  # so that one command alone has its word too
    import_module(module).register(app)
    made: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]  # of several commands it is a group
    return made
