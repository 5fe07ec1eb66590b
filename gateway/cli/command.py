"""Registers commands, so that all behave alike, and holds the first words of the program. In: a function that takes an
`Invocation` and its own options. Out: a command with the common options, two examples in its help, and its settings and
agency found in the same way everywhere.

Each first word stands here with a sentence about it, in the order of the help; its module is loaded when the word is typed,
because to load all of them takes longer than most commands. `-` in place of a file is standard input, kept as a file of the
caller alone while the command runs."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from copy import copy
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from gateway import __version__
from gateway.bootstrap import extensions
from gateway.cli.node import at_agency, at_axis, at_core, at_node, at_registry, at_rows, at_store
from gateway.cli.served import SERVED, Elsewhere, Question, emit
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.settings import Settings

Opens = Callable[["Invocation"], AbstractAsyncContextManager[Any]]
F = TypeVar("F", bound=Callable[..., Coroutine[object, object, None] | None])
OPENED: dict[str, Opens] = {
    "CommandContext": lambda call: at_agency(call.settings(), call.agency),
    "OpenNode": lambda call: at_node(call.settings()),
    "NodeCore": lambda call: at_core(call.settings()),
    "ManagedAxis": lambda call: at_axis(call.settings()),
    "OpenRegistry": lambda call: at_registry(call.settings()),
    "OpenStore": lambda call: at_store(call.settings()),
    "StoreContext": lambda call: at_rows(call.settings(), call.agency),
}
"""Openers of a command's second parameter, by its type."""
NOUNS = {
    "serve": "Run the API, the pages and the workers until stopped.",
    "init": "Set up a node: settings, database, your agency, its key pair and the first API key (printed once).",
    "join": "Take what the authority gave a new node: list of codes and certificates, which two people bind.",
    "send": "Send a document.",
    "sign": "Put the agency's signature on a PDF, in person: the seal, a copy's mark, or an appendix's mark.",
    "watch": "Print events as they happen, oldest first.",
    "status": "Show the node on one screen: axis, queues, late documents, certificates, backup, workers, speed.",
    "verify": "Check an envelope offline: signer, recipients, and whether the signature is valid.",
    "read": "Read number, date, type, abstract and signer from a PDF, each marked: sure (✓), doubtful (?), not found (·).",
    "explain": "Print what an envelope says: sender, recipients, document and files.",
    "doctor": "Examine the node: settings, folders, disk, database, clock, keys, trust, axis, idle work.",
    "alarms": "Show the open alarms, which the node tells by mail and webhook, and the channels that fail.",
    "backup": "Copy everything the node keeps into one sealed file, while it runs.",
    "restore": (
        "Restore a backup into an empty node, or prove with --drill that this is possible; every row and file is "
        "compared."
    ),
    "restored": (
        "Show what to check on a restored node; with two names, confirm the check and let the node work "
        "again."
    ),
    "maintenance": "Stop sending and taking in until a time, while reading goes on; or show how it stands.",
    "capacity": (
        "Reckon what a node needs for so many documents: rows, disk, kept backups, and the time of a night's backup."
    ),
    "completion": "Print the script by which a shell completes commands and options; put it where your shell looks.",
    "version": "Print the version of the gateway and of Python.",
    "config": "Settings: those in force and the source of each.",
    "outbox": "Outgoing documents and their state at each recipient.",
    "inbox": "Incoming documents, and packets that did not become one.",
    "hold": "Documents under seal because they may be secret.",
    "preserve": "Orders that documents stay as they are while an authority asks for it; two persons end one.",
    "retention": "How long files of records and documents are kept: the agency's dated table.",
    "destruction": "Documents whose retention has ended are destroyed by decision of three persons.",
    "content": "Where large content lies, the folder or a bucket, and its move from one to the other.",
    "archive": "Packages for the historical archive: files of records handed over, and the archive's receipts.",
    "registry": "Agency codes: their agencies on any day, and their successors.",
    "agency": "The profile of an agency of this node.",
    "numbers": "Numbers of outgoing documents, where the node gives them.",
    "rules": "Rules that the node follows, and the acts that they rest on.",
    "host": "The agencies that this node hosts.",
    "keys": "Exchange keys, with which the node signs packets for the agency.",
    "people": "People who decide about the trust of this node; two of them for every change.",
    "proposals": "Changes of trust: one person proposes, another one approves.",
    "tokens": "API keys of the programs that act for an agency.",
    "webhooks": "Webhooks: addresses of an agency's programs that receive events.",
    "queue": "Queues of the axis and of this node.",
    "axis": "The axis between nodes.",
    "ping": (
        "Examine the route to a partner without sending anything: its code, route, axis, certificate, last packet, "
        "mail."
    ),
    "folder": "The hot folders: documents sent and received as files.",
    "trust": "Authorities: anchors, intermediates, and their answers about revocation.",
    "evidence": "Evidence packs: proofs that a document was sent or received.",
    "audit": "The log of all events: search it, prove it, publish its seals.",
    "witness": "Nodes that cosign each other's logs, so that nobody can rewrite one unnoticed.",
    "figures": "Figures of reports: compare them with the event log, or count them anew.",
    "migrate": "The database's schema: its version and its updates.",
}
# Words whose commands are in another word's module.
_MODULE_OF = {
    "config": "init",
    "migrate": "init",
    "doctor": "status",
    "watch": "status",
    "ping": "axis",
    "read": "verify",
    "explain": "verify",
    "restore": "backup",
    "restored": "backup",
    "completion": "main",
    "version": "main",
}
# Words with commands in further modules, in the order of the help.
_MORE = {"registry": ("registry_feed", "registry_trust", "registry_change", "registry_seals", "host")}
DASH = Path("-")
Limit = Annotated[int, typer.Option(min=1, max=500)]


def option(help: str, *names: str, **more: Any) -> Any:
    """Make an option. Any, here and below: as the library has it."""
    return typer.Option(*names, help=help, **more)


def argument(help: str, **more: Any) -> Any:
    """Make an argument."""
    return typer.Argument(help=help, **more)


def existing(help: str, *names: str) -> Any:
    """Make an option that names a file."""
    return option(help, *names, exists=True, dir_okay=False)


def piped(help: str) -> Any:
    """Make an argument that names a file, or is - for standard input."""
    return argument(help, exists=True, dir_okay=False, allow_dash=True)


Cursor = Annotated[str | None, option("Continue where the last list ended.")]
Why = Annotated[str, option("Reason; it is recorded.")]
Overlap = Annotated[str, option("How long the previous one stays valid: 24h, 7d; 0h for not at all.")]
States = Annotated[list[str] | None, option("Only in this state (repeat for more).")]


class OutputFormat(StrEnum):
    """Format of data on stdout."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"


class Lang(StrEnum):
    """Language of texts for people."""

    VI = "vi"
    EN = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One use of the command line: the options that every command shares."""

    output: OutputFormat = OutputFormat.TABLE
    quiet: bool = False
    lang: Lang = Lang.VI
    config: Path | None = None
    agency: str | None = None
    verbose: bool = False
    yes: bool = False
    dry_run: bool = False

    def settings(self) -> Settings:
        """Load the settings in force."""
        if (served := SERVED.get()) is not None:
            return served.node.settings
        from gateway.settings import reading

        return reading.load(reading.locate(self.config, os.environ), os.environ)

    def say(self, key: str, /, **params: object) -> None:
        """Tell the person something, on stderr, so that stdout stays data."""
        self.tell(self.word(key, **params))

    def tell(self, line: str) -> None:
        """Print a finished line on stderr. Where its reader has gone (`2>&1 | head`), the work goes on."""
        if not self.quiet:
            try:
                emit(line, to_stderr=True)
                sys.stderr.flush()
            except BrokenPipeError:
                sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - to the end of the program

    def word(self, key: str, /, **params: object) -> str:
        return labels.say(key, self.lang.value, **params)

    def ask(self, key: str, /, **params: object) -> None:
        """End the command where the person refuses, or only wants a dry run."""
        if not self.agrees(key, **params):
            raise typer.Exit

    def agrees(self, key: str, /, **params: object) -> bool:
        """Ask for agreement: --yes, or an answer at a terminal. A dry run says what would be done."""
        if self.dry_run:
            emit(self.word("cli.would", what=self.word(key, **params)), to_stderr=True)
            return False
        if self.yes:
            return True
        served = SERVED.get()
        if not (sys.stdin.isatty() if served is None else served.has_terminal):
            raise typer.BadParameter(self.word("cli.needs_yes", what=self.word(key, **params)))
        question = self.word(key, **params)
        if served is not None and question not in served.answers:
            raise Question(question)
        if not (served.answers[question] if served is not None else typer.confirm(question, err=True)):
            raise typer.Exit(1)
        return True


def _common(
    output: Annotated[OutputFormat | None, option("How data is written.", "-o", "--output")] = None,
    quiet: Annotated[bool, option("Print ids only and say nothing.", "-q", "--quiet")] = False,
    lang: Annotated[Lang | None, option("Language of messages.", "--lang", envvar="GATEWAY_LANG")] = None,
    config: Annotated[
        Path | None, option("Settings file; else $GATEWAY_CONFIG, else ./gateway.toml.", "--config")
    ] = None,
    agency: Annotated[
        str | None,
        option("Agency to act for; default: the only one hosted.", "--agency", envvar="GATEWAY_AGENCY"),
    ] = None,
    verbose: Annotated[bool, option("Log everything to stderr.", "-v", "--verbose")] = False,
) -> None:
    """Its signature is the list of options that the root and every command take."""


def _writing(
    yes: Annotated[bool, option("Do not ask; for scripts.", "--yes")] = False,
    dry_run: Annotated[bool, option("Say what would be done and do nothing.", "--dry-run")] = False,
) -> None:
    """Its signature is the list of options of commands that change something."""


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"gateway {__version__}")
        raise typer.Exit


def _root_only(
    version: Annotated[
        bool, option("Print the version and end.", "--version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Its signature is the list of options of the root alone."""


def root(app: typer.Typer) -> None:
    """Let the common options stand before the noun too; those of the command win."""

    def remember(ctx: typer.Context, **options: Any) -> None:
        options.pop("version")
        ctx.obj = options

    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [context, *_options(_common), *_options(_root_only)]
    remember.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by inspect
    remember.__annotations__ = {p.name: p.annotation for p in parameters}
    remember.__doc__ = app.info.help
    app.callback()(remember)


class Group(typer.Typer):
    """Commands that begin with the same words."""

    def __init__(self, words: str = "gateway", says: str | None = None) -> None:
        name = words.rpartition(" ")[2]
        super().__init__(
            name=name, help=says, no_args_is_help=True, rich_markup_mode=None, add_completion=False
        )
        self._words = words
        self._below: dict[str, Group] = {}

    def noun(self, name: str, says: str = "") -> Group:
        """Return the commands that have one more word in common, whichever module they come from."""
        if name not in self._below:
            self._below[name] = Group(f"{self._words} {name}", says or known_words().get(name))
            self.add_typer(self._below[name])
        return self._below[name]

    def verb(
        self, *examples: str, name: str = "", writes: bool = False, ask: str = "", local: bool = False
    ) -> Callable[[F], F]:
        """Make a command of a function, by its own name: its first parameter is the `Invocation`; the second is opened for
        it, where its type is one of `OPENED`. An example is the rest of the line behind the command's words, or a whole
        line; of one alone the second is the same with --yes, or as JSON. `ask` is the label of the question before it
        changes something, about what was typed. A running node carries it out, unless it is one that opens nothing, names
        a file, or is `local`, because it is long or works the processor."""

        def add(function: F) -> F:
            row = CommandRow(
                words=f"{self._words} {name or function.__name__.strip('_').replace('_', '-')}",
                function=function,
                writes=writes or bool(ask),
                ask=ask,
                local=local,
            )
            TABLE[row.words] = row
            self.command(row.words.rpartition(" ")[2], epilog=row.epilog(examples))(_runner(row))
            return function

        return add

    def only(self, word: str) -> Group:
        """Return the group with this word alone: making every command that the process has loaded costs much more."""
        group = copy(self)
        group.registered_groups = [
            g for g in self.registered_groups if g.typer_instance is self._below.get(word)
        ]
        group.registered_commands = [command for command in self.registered_commands if command.name == word]
        return group

    def alone(self, *examples: str) -> Callable[[F], F]:
        """Make the command of the words alone, without a verb behind them."""

        def add(function: F) -> F:
            row = TABLE[self._words] = CommandRow(words=self._words, function=function, only_alone=True)
            self.info.no_args_is_help = False
            self.callback(invoke_without_command=True, help=self.info.help, epilog=row.epilog(examples))(
                _runner(row)
            )
            return function

        return add


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRow:
    """One command: its words, its function, whether it changes something, and the question before."""

    words: str
    function: Callable[..., Coroutine[object, object, None] | None]
    writes: bool = False
    ask: str = ""
    only_alone: bool = False
    local: bool = False

    def epilog(self, examples: Sequence[str]) -> str:
        first = examples[0] if examples else ""
        texts = examples if len(examples) > 1 else (first, f"{first} {'--yes' if self.writes else '-o json'}")
        lines = (e if e.startswith("gateway ") else f"{self.words} {e.strip()}".rstrip() for e in texts)
        return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


TABLE: dict[str, CommandRow] = {}
"""Every command whose module is loaded, by its words."""
ROOT = Group()
noun, verb = ROOT.noun, ROOT.verb
ROOT.callback()(lambda: None)  # makes a word of a single command too


def _runner(row: CommandRow) -> Callable[..., Coroutine[object, object, None] | None]:
    """Make the function for the library: it takes the own and the common options, and runs the command to its end; in a
    running node it returns the work, which the node's own loop does."""
    function = row.function
    own = list(inspect.signature(function).parameters.values())[1:]
    opens = OPENED.get(str(own[0].annotation)) if own else None
    own = own[1:] if opens else own
    # The type of an opened parameter is loaded with it.
    typed_options = SimpleNamespace(__annotations__={p.name: function.__annotations__[p.name] for p in own})
    hints = get_type_hints(typed_options, function.__globals__, include_extras=True)
    shared = [*_options(_common), *(_options(_writing) if row.writes else ())]
    names = {p.name for p in shared}

    @functools.wraps(function)
    def run(ctx: typer.Context, **options: Any) -> Coroutine[object, object, None] | None:
        if row.only_alone and ctx.invoked_subcommand is not None:
            if lost := [p.name for p in own if _is_typed(ctx, p.name)]:
                raise typer.BadParameter(f"write --{lost[0]} behind {ctx.invoked_subcommand}")
            return None
        common = {key: options.pop(key) for key in list(options) if key in names}
        if SERVED.get() is not None:
            if opens is None or row.local or options.get("as_") or any(map(_names_file, options.values())):
                raise Elsewhere
            return _run_opened(row, opens, _merge_options(ctx, common), options)
        with spooled(options) as files:
            call = _merge_options(ctx, common)
            work = _run_opened(row, opens, call, files) if opens else function(call, **files)
            if work is not None:
                asyncio.run(work)
        return None

    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [_keyword(p, hints[p.name]) for p in own] + shared
    run.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]  # read by inspect
    run.__annotations__ = {p.name: p.annotation for p in [context, *parameters]}
    del run.__wrapped__  # else its signature and not ours would be read
    return run


async def _run_opened(row: CommandRow, opens: Opens, call: Invocation, options: Mapping[str, Any]) -> None:
    async with opens(call) as place:
        if row.ask:
            call.ask(row.ask, **options)
        work = row.function(call, place, **options)
        if work is not None:
            await work


def _names_file(value: object) -> bool:
    return isinstance(value, Path) or (isinstance(value, list | tuple) and any(map(_names_file, value)))


def _options(holder: Callable[..., None]) -> list[inspect.Parameter]:
    hints = get_type_hints(holder, include_extras=True)
    return [_keyword(p, hints[p.name]) for p in inspect.signature(holder).parameters.values()]


def _keyword(parameter: inspect.Parameter, annotation: object) -> inspect.Parameter:
    return parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=annotation)


def _merge_options(ctx: typer.Context, own: dict[str, Any]) -> Invocation:
    shared: dict[str, Any] = ctx.find_root().obj or {}
    merged = {
        key: (own.get(key) or shared.get(key)) if _is_typed(ctx, key) else (shared.get(key) or own.get(key))
        for key in own | shared
    }
    return Invocation(**{key: value for key, value in merged.items() if value is not None})


def _is_typed(ctx: typer.Context, key: str) -> bool:
    """Tell whether an option stood after the command: the environment must not win over an option before the noun."""
    source = ctx.get_parameter_source(key)
    return source is not None and source.name == "COMMANDLINE"


def _modules_of(word: str) -> Sequence[str]:
    return [f"gateway.cli.{module}" for module in (_MODULE_OF.get(word, word), *_MORE.get(word, ()))]


class _AtFirstUse(MetaPathFinder):
    """Finder of modules that are executed when something of them is first used."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name.startswith("gateway") else None
        if spec is not None and spec.loader is not None and spec.submodule_search_locations is None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def _load(module: str) -> None:
    """Load a module of commands. Modules that it imports as a whole (`from gateway.incoming import act`) are executed at
    their first use, so that help and short commands wait for no flow; not where the command runs a node, in which other
    threads may meet one that is half loaded."""
    if SERVED.get() is not None or ".cli." not in module or module == "gateway.cli.serve":
        import_module(module)
        return
    finder = _AtFirstUse()
    sys.meta_path.insert(0, finder)
    try:
        vars(import_module(module))
    finally:
        sys.meta_path.remove(finder)


def known_words() -> dict[str, str]:
    """Return every word with its sentence; words of an extension are placed where it wants them."""
    added = extensions.nouns()
    sentences: dict[str, str] = {}

    def add(word: str, sentence: str) -> None:
        sentences[word] = sentence
        for more, noun in added.items():
            if noun.after_noun == word:
                add(more, noun.sentence)

    for word, sentence in NOUNS.items():
        add(word, sentence)
    return sentences


class Commands(Mapping[str, Any]):
    """Commands by their first word, each made when it is asked for. Any: the library's commands have no public type."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, word: str) -> Any:
        if word not in self._made:
            homes = _modules_of(word) if word in NOUNS else [extensions.nouns()[word].module]
            for module in (*homes, *extensions.verbs(word)):
                _load(module)
            commands: dict[str, Any] = get_command(ROOT.only(word)).commands  # type: ignore[attr-defined]  # it is a group
            self._made[word] = commands[word]
        return self._made[word]

    def __contains__(self, word: object) -> bool:
        return word in NOUNS or word in extensions.nouns()

    def __iter__(self) -> Iterator[str]:
        return iter(known_words())

    def __len__(self) -> int:
        return len(known_words())


class Root(TyperGroup):
    """The program itself: its help knows every word and loads none."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        words = known_words()
        room = formatter.width - 6 - max(map(len, words))
        with formatter.section("Commands"):
            formatter.write_dl([(word, _short_help(word, words[word], room)) for word in words])

    def list_commands(self, ctx: Any) -> list[str]:
        return list(known_words())


def _short_help(word: str, sentence: str, room: int) -> str:
    """Cut a sentence to the line, as the library cuts."""
    short: str = TyperCommand(name=word, help=sentence).get_short_help_str(room)
    return short


@contextmanager
def spooled(options: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Copy standard input to a file. Usage error for two inputs at once, or for input from a terminal."""
    asking = [name for name, value in options.items() if isinstance(value, Path) and value == DASH]
    if not asking:
        yield dict(options)
        return
    if len(asking) > 1:
        raise typer.BadParameter("there is one standard input; give - once")
    if sys.stdin.isatty():
        raise typer.BadParameter("- reads standard input, and nothing is piped into it: write COMMAND < FILE")
    with tempfile.TemporaryDirectory(prefix="gateway-stdin-") as folder:
        file = Path(folder) / "stdin"
        with file.open("xb") as target:
            shutil.copyfileobj(sys.stdin.buffer, target)
        yield {**options, asking[0]: file}
