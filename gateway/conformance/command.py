"""`gateway conformance run`: takes a gateway through thirty numbered steps. Thin: the steps stand in their own modules;
here it is said against whom they go, and how the score is shown. Exit code 0 only when every step passed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import output
from gateway.cli.command import Group, Invocation, OutputFormat, existing
from gateway.cli.output import FAILED

if TYPE_CHECKING:
    from gateway.conformance.run import Subject
    from gateway.conformance.score import Score, StepScore

KEY = "GATEWAY_CONFORMANCE_KEY"


def register(app: Group) -> None:
    group = app.noun("conformance", "Take a gateway through 30 numbered steps, and print a score sheet.")
    group.verb(
        run,
        "--self -o json",
        "--target http://127.0.0.1:8088 --key-file sandbox/key --html score.html",
    )


async def run(
    call: Invocation,
    itself: Annotated[bool, typer.Option("--self", help="Start a sandbox and judge its own node.")] = False,
    target: Annotated[str | None, typer.Option(help="Address of the gateway to be judged.")] = None,
    key: Annotated[
        str | None, typer.Option(help=f"Its API key; better in a file or in {KEY}: others see what is typed.")
    ] = None,
    key_file: Annotated[Path | None, existing("A file whose first line is the API key.")] = None,
    bench: Annotated[
        str | None, typer.Option(help="Address of the sandbox that plays the partner; default: the target.")
    ] = None,
    bench_key_file: Annotated[Path | None, existing("A file with the API key of that sandbox.")] = None,
    only: Annotated[
        list[int] | None,
        typer.Option("--step", help="Only the step of this number; may be repeated.", min=1, max=30),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write the score sheet here, as a page to print.", dir_okay=False)
    ] = None,
) -> None:
    """Take a gateway through 30 numbered steps: sending, statuses, receiving, recalls, time. Exit 1 unless all pass."""
    from gateway.conformance import run as running
    from gateway.conformance import sheet

    numbers = frozenset(only or ())
    if itself:
        if target or key or key_file:
            raise typer.BadParameter(call.word("conformance.needs"))
        call.say("conformance.starting")
        score = await running.run_self(lambda step: _tell(call, step), only=numbers)
    else:
        subject = _subject(call, target, key, key_file, bench, bench_key_file)
        score = await running.run(subject, lambda step: _tell(call, step), only=numbers)
    if html is not None:
        html.write_text(sheet.html(score, call.lang.value), "utf-8")
        call.say("conformance.written", file=html)
    _show(call, score)
    if not score.is_whole:
        raise typer.Exit(FAILED)


def _subject(
    call: Invocation,
    target: str | None,
    key: str | None,
    key_file: Path | None,
    bench: str | None,
    bench_key_file: Path | None,
) -> Subject:
    from gateway.conformance.run import Subject

    secret = key or (_first_line(key_file) if key_file else os.environ.get(KEY, ""))
    if not target or not secret or (bench is None) != (bench_key_file is None):
        raise typer.BadParameter(call.word("conformance.needs"))
    return Subject(
        url=target,
        key=secret,
        bench_url=bench or target,
        bench_key=_first_line(bench_key_file) if bench_key_file else secret,
    )


def _first_line(file: Path) -> str:
    return file.read_text("utf-8").split("\n", 1)[0].strip()


def _tell(call: Invocation, step: StepScore) -> None:
    """As it goes, on stderr; programs have all of it at the end."""
    if call.output is not OutputFormat.TABLE:
        return
    lang = call.lang.value
    call.say(f"conformance.step.{'ok' if step.passed else 'no'}", n=step.n, title=step.words("title", lang))
    for each in step.found:
        if not each.ok:
            call.say("conformance.check.no", about=each.about, expected=each.expected, came=each.came)
    if not step.passed:
        call.say("conformance.mend", text=step.words("mend", lang))


def _show(call: Invocation, score: Score) -> None:
    told = score.as_json(call.lang.value)
    line = call.word("conformance.passed", passed=score.passed, of=len(score.steps))
    output.answer(call, told, [line])
