"""Registers commands that all behave alike. In: a function that takes a `Call` and its own options. Out: a command with
the common options, two examples in its help, and its settings and agency found in the same way everywhere."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

from gateway import __version__
from gateway.cli import stdin
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.settings import Settings

F = TypeVar("F", bound=Callable[..., None])


class Format(StrEnum):
    """How data is written to stdout."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"


class Lang(StrEnum):
    """The language of what is said to people."""

    VI = "vi"
    EN = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One use of the command line: the options that every command shares."""

    output: Format = Format.TABLE
    quiet: bool = False
    lang: Lang = Lang.VI
    config: Path | None = None
    agency: str | None = None
    verbose: bool = False
    yes: bool = False
    dry_run: bool = False

    def settings(self) -> Settings:
        """The settings in force."""
        from gateway import settings

        return settings.load(settings.locate(self.config, os.environ), os.environ)

    def say(self, key: str, **params: object) -> None:
        """Tells the person something, on stderr, so that stdout stays data."""
        self.tell(self.word(key, **params))

    def tell(self, line: str) -> None:
        """Prints a line of talk that is words already."""
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)

    def word(self, key: str, **params: object) -> str:
        return labels.say(key, self.lang.value, **params)

    def agrees(self, key: str, **params: object) -> bool:
        """Whether the person wants it: --yes, or an answer at a terminal. A dry run says what would be done."""
        if self.dry_run:
            print(self.word("cli.would", what=self.word(key, **params)), file=sys.stderr, flush=True)
            return False
        if self.yes:
            return True
        if not sys.stdin.isatty():
            raise typer.BadParameter(self.word("cli.needs_yes", what=self.word(key, **params)))
        if not typer.confirm(self.word(key, **params), err=True):
            raise typer.Exit(1)
        return True


def _common(
    output: Annotated[Format | None, typer.Option("-o", "--output", help="How data is written.")] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print ids only and say nothing.")] = False,
    lang: Annotated[
        Lang | None, typer.Option("--lang", envvar="GATEWAY_LANG", help="Language of what is said to you.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Settings file; else $GATEWAY_CONFIG, else ./gateway.toml."),
    ] = None,
    agency: Annotated[
        str | None,
        typer.Option(
            "--agency", envvar="GATEWAY_AGENCY", help="Agency to act for; default: the only one hosted."
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log everything to stderr.")] = False,
) -> None:
    """Its signature is the list of options that the root and every command take."""


def _writing(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")
    ] = False,
) -> None:
    """Its signature is the list of options of commands that change something."""


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"gateway {__version__}")
        raise typer.Exit


def _rooted(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and end.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Its signature is the list of options of the root alone."""


def verb(app: typer.Typer, name: str, *, examples: Sequence[str], writes: bool = False) -> Callable[[F], F]:
    """Registers a function whose first parameter is the `Call`; `examples` are whole command lines."""

    def register(function: F) -> F:
        hints = get_type_hints(function, include_extras=True)
        own = list(inspect.signature(function).parameters.values())[1:]
        shared = [*_options(_common), *(_options(_writing) if writes else ())]
        names = {each.name for each in shared}

        @functools.wraps(function)
        def run(ctx: typer.Context, **given: Any) -> None:
            common = {key: given.pop(key) for key in list(given) if key in names}
            with stdin.spooled(given) as files:
                function(_call(ctx, common), **files)

        context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        parameters = [_keyword(each, hints[each.name]) for each in own] + shared
        run.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]  # read by inspect
        run.__annotations__ = {each.name: each.annotation for each in [context, *parameters]}
        del run.__wrapped__  # else its signature and not ours would be read
        app.command(name, epilog=_epilog(examples))(run)
        return function

    return register


def root(app: typer.Typer) -> None:
    """Lets the common options stand before the noun too; those of the command win."""

    def remember(ctx: typer.Context, **given: Any) -> None:
        given.pop("version")
        ctx.obj = given

    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [context, *_options(_common), *_options(_rooted)]
    remember.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by inspect
    remember.__annotations__ = {each.name: each.annotation for each in parameters}
    remember.__doc__ = app.info.help
    app.callback()(remember)


def noun(name: str, says: str) -> typer.Typer:
    """A group of commands about one thing."""
    return typer.Typer(
        name=name, help=says, no_args_is_help=True, rich_markup_mode=None, add_completion=False
    )


def _options(holder: Callable[..., None]) -> list[inspect.Parameter]:
    hints = get_type_hints(holder, include_extras=True)
    return [_keyword(each, hints[each.name]) for each in inspect.signature(holder).parameters.values()]


def _keyword(parameter: inspect.Parameter, annotation: object) -> inspect.Parameter:
    return parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=annotation)


def _call(ctx: typer.Context, given: dict[str, Any]) -> Call:
    before: dict[str, Any] = ctx.find_root().obj or {}
    merged = {
        key: (given.get(key) or before.get(key)) if _typed(ctx, key) else (before.get(key) or given.get(key))
        for key in {*given, *before}
    }
    return Call(
        output=merged.get("output") or Format.TABLE,
        quiet=bool(merged.get("quiet")),
        lang=merged.get("lang") or Lang.VI,
        config=merged.get("config"),
        agency=merged.get("agency"),
        verbose=bool(merged.get("verbose")),
        yes=bool(merged.get("yes")),
        dry_run=bool(merged.get("dry_run")),
    )


def _typed(ctx: typer.Context, key: str) -> bool:
    """Whether it stood after the command. A word of the environment must not win over one typed before the noun."""
    source = ctx.get_parameter_source(key)
    return source is not None and source.name == "COMMANDLINE"


def _epilog(examples: Sequence[str]) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {each}" for each in examples)
