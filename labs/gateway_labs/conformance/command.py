"""`gateway conformance run`: takes a gateway through numbered steps. Thin: the steps stand in their own modules; here the
subject is chosen, and the score shown. Exit code 0 only when every step passed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, existing, noun
from gateway.cli.output import FAILED

if TYPE_CHECKING:
    from gateway_labs.conformance.run import Subject
    from gateway_labs.conformance.score import Score, StepScore

KEY = "GATEWAY_CONFORMANCE_KEY"
HotFolder = Annotated[
    Path | None,
    typer.Option(
        help="The hot folder of the key's agency, as this machine sees it, for step 32.",
        exists=True,
        file_okay=False,
    ),
]
verb = noun("conformance").verb


@verb(
    "--self -o json",
    "--target http://127.0.0.1:8088 --key-file sandbox/key --html score.html",
)
async def run(
    call: Invocation,
    itself: Annotated[bool, typer.Option("--self", help="Start a sandbox and judge its own node.")] = False,
    target: Annotated[str | None, typer.Option(help="Address of the gateway to be judged.")] = None,
    key: Annotated[
        str | None,
        typer.Option(help=f"Its API key; prefer a file or {KEY}: others can see the command line."),
    ] = None,
    key_file: Annotated[Path | None, existing("A file whose first line is the API key.")] = None,
    bench: Annotated[
        str | None, typer.Option(help="Address of the sandbox that plays the partner; default: the target.")
    ] = None,
    bench_key_file: Annotated[Path | None, existing("A file with the API key of that sandbox.")] = None,
    system: Annotated[
        str | None, typer.Option(help="A system of its compatibility interface (systemid), for step 31.")
    ] = None,
    system_secret_file: Annotated[
        Path | None, existing("A file whose first line is the secret of that system.")
    ] = None,
    folder: HotFolder = None,
    minutes: Annotated[
        int, typer.Option(help="Start no further step after this many minutes.", min=1, max=1440)
    ] = 15,
    only: Annotated[
        list[int] | None,
        typer.Option("--step", help="Only the step of this number; may be repeated.", min=1, max=32),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write the score sheet here, as a page to print.", dir_okay=False)
    ] = None,
) -> None:
    """Take a gateway through 32 numbered steps and print the result of each. Exit 1 unless every step that could be
    tried passes."""
    from gateway_labs.conformance import run as running
    from gateway_labs.conformance.score import sheet

    numbers, limit_s = frozenset(only or ()), minutes * 60.0
    if itself:
        if target or key or key_file or system or folder:
            raise typer.BadParameter(call.word("conformance.needs"))
        call.say("conformance.starting")
        score = await running.run_self(lambda step: _tell(call, step), only=numbers, limit_s=limit_s)
    else:
        subject = _subject(call, target, key, key_file, bench, bench_key_file)
        subject = _with_system(call, replace(subject, folder=folder), system, system_secret_file)
        score = await running.run(subject, lambda step: _tell(call, step), numbers, limit_s)
    if html is not None:
        html.write_text(sheet(score, call.lang.value), "utf-8")
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
    from gateway_labs.conformance.run import Subject

    secret = key or (_first_line(key_file) if key_file else os.environ.get(KEY, ""))
    if not target or not secret or (bench is None) != (bench_key_file is None):
        raise typer.BadParameter(call.word("conformance.needs"))
    return Subject(
        url=target,
        key=secret,
        bench_url=bench or target,
        bench_key=_first_line(bench_key_file) if bench_key_file else secret,
    )


def _with_system(call: Invocation, subject: Subject, system: str | None, secret_file: Path | None) -> Subject:
    """Add the system of the compatibility interface, where one is named with its secret."""
    if (system is None) != (secret_file is None):
        raise typer.BadParameter(call.word("conformance.needs_secret"))
    secret = _first_line(secret_file) if secret_file else ""
    return replace(subject, system=system or "", secret=secret)


def _first_line(file: Path) -> str:
    return file.read_text("utf-8").split("\n", 1)[0].strip()


def _tell(call: Invocation, step: StepScore) -> None:
    """Report a step as it ends, on stderr, so that programs too show the progress; the data comes whole at the end."""
    lang = call.lang.value
    if step.skipped is not None:
        title, why = step.words("title", lang), step.skipped.words(lang)
        call.say("conformance.step.skipped", n=step.n, title=title, why=why)
        return
    call.say(f"conformance.step.{'ok' if step.passed else 'no'}", n=step.n, title=step.words("title", lang))
    for expectation in step.expectations:
        if not expectation.ok:
            call.say(
                "conformance.check.no",
                about=expectation.label,
                expected=expectation.expected,
                came=expectation.actual,
            )
    if not step.passed:
        call.say("conformance.mend", text=step.words("mend", lang))


def _show(call: Invocation, score: Score) -> None:
    document = score.as_json(call.lang.value)
    line = call.word("conformance.passed", passed=score.passed, of=score.judged)
    output.answer(call, document, [line])
