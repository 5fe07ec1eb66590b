"""`gateway completion`: what a shell needs to complete the words of this program. It is printed and nothing is installed:
where it goes is for the person to say."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer

from gateway.cli import output
from gateway.cli.command import Call, verb

PROGRAM = "gateway"
_ASKED_BY = "_GATEWAY_COMPLETE"  # the variable by which a shell asks for words


class Shell(StrEnum):
    """Shells that can be helped."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


def register(app: typer.Typer) -> None:
    verb(
        app,
        "completion",
        examples=(
            "gateway completion bash > ~/.local/share/bash-completion/completions/gateway",
            'gateway completion zsh > "${fpath[1]}/_gateway"',
        ),
    )(completion)


def completion(call: Call, shell: Annotated[Shell, typer.Argument(help="For which shell.")]) -> None:
    """Print the script by which a shell completes commands and options; put it where your shell looks."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # reason: it marks no exports

    output.lines([get_completion_script(prog_name=PROGRAM, complete_var=_ASKED_BY, shell=shell.value)])


def answer_shell() -> None:
    """Before the words are read: lets a shell that asks for words by the printed script have them."""
    if _ASKED_BY in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]  # reason: it marks no exports

        completion_init()
