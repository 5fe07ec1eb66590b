"""The command line as a whole: noun, then verb. In: the typed words. Out: an exit code, and the output of the command.
Commands import what they need when they run, so that help and version answer at once; errors are reported in one place.
`gateway completion` prints the completion script of a shell and installs nothing; it stands here with `gateway version`
because both need nothing else."""

from __future__ import annotations

import errno
import gc
import inspect
import logging
import os
import platform
import sys
from collections.abc import Sequence
from enum import StrEnum
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.main import get_command

from gateway import __version__, log
from gateway.cli import output
from gateway.cli.command import Commands, Invocation, Root, argument, root, verb
from gateway.cli.served import emit
from gateway.errors import GatewayError, StoreFailure

if TYPE_CHECKING:
    from gateway.ports.services import Pool

_log = logging.getLogger(__name__)

_HELP = """A node for exchanging official documents between agencies over the interconnection axis.

Data goes to stdout, talk to stderr. Exit codes: 0 fine, 1 failed, 2 usage, 3 not found, 4 refused by a rule,
5 authentication, 6 network or axis, 7 verification failed, 75 try later."""
# New objects after which the garbage collector looks at those, and how many such looks go by before one at older ones.
_YOUNG, _LOOKS = 20_000, (50, 10)
PROGRAM = "gateway"
_OF_DISKS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
_COMPLETE_VAR = "_GATEWAY_COMPLETE"  # set by a shell that asks for completions


@cache
def build() -> Any:
    """Build the tree of commands; commands are loaded on use. Any: the library names no type for it."""
    app = typer.Typer(
        cls=Root,
        name="gateway",
        help=_HELP,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
    root(app)
    tree: Any = get_command(app)
    tree.commands = Commands()
    return tree


def run(args: Sequence[str]) -> int:
    """Run a command line and return its exit code. Never raises, never shows a stack trace."""
    log.configure("debug" if {"-v", "--verbose"} & set(args) else "warning")
    answer_shell()
    try:
        code = build()(args=list(args), prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()  # where a reader has gone, that is noticed here and not at the end of the program
        return code if isinstance(code, int) else output.FINE
    except BrokenPipeError:
        return _end_quietly()
    except SystemExit as exiting:
        # The library of commands ends the program by itself where a pipe breaks.
        if isinstance(exiting.__context__, BrokenPipeError):
            return _end_quietly()
        raise
    except (Exception, KeyboardInterrupt) as error:
        return _tell(error, args)


async def run_served(args: Sequence[str], pool: Pool) -> int:
    """Run a command line in the running node, for the caller in `SERVED`. Raise Elsewhere or Question."""
    try:
        work = await pool.run(partial(build(), args=list(args), prog_name=PROGRAM, standalone_mode=False))
        code = await work if inspect.iscoroutine(work) else work
        return code if isinstance(code, int) else output.FINE
    except typer.Exit as exiting:
        return exiting.exit_code
    except Exception as error:
        return _tell(error, args)


def _tell(error: BaseException, args: Sequence[str]) -> int:
    """Print an error of any kind and return its exit code: the one guard of this program."""
    manner = output.OutputManner.from_args(args, os.environ)
    match error:
        case typer.TyperException():
            if error.format_message().startswith("Usage: "):
                # No words at all, or a noun without a verb, are answered by the help.
                emit(error.format_message(), to_stderr=True)
                return output.USAGE
            return output.tell_usage(error.format_message(), _help_hint(args), manner, error.exit_code)
        case GatewayError():
            _log.debug("the command failed", exc_info=error)
            return output.print_error(error, manner)
        case typer.Abort() | KeyboardInterrupt():
            return 130
        case OSError() if error.errno in _OF_DISKS:
            _log.debug("the command failed", exc_info=error)
            return output.print_error(
                StoreFailure(f"{error.strerror}: {error.filename or 'the output'}"), manner
            )
    _log.debug("the command failed unexpectedly", exc_info=error)
    return output.tell_internal(error, manner)


def _end_quietly() -> int:
    """Drop buffered output: the reader of a pipe (`| head`) has enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
    return output.FINE


def main() -> NoReturn:
    """Run the installed program."""
    # Nearly all that a command loads stays, and looking through it again and again would be a sixth of its start.
    gc.set_threshold(_YOUNG, *_LOOKS)
    sys.exit(run(sys.argv[1:]))


def _help_hint(args: Sequence[str]) -> str:
    """Return the help command for the longest known prefix of the words."""
    command, words = build(), ["gateway"]
    for word in args:
        if word in getattr(command, "commands", ()):
            command = command.commands[word]
            words.append(word)
    return " ".join((*words, "--help"))


class Shell(StrEnum):
    """Shells that can be helped."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


@verb("bash > ~/.local/share/bash-completion/completions/gateway", 'zsh > "${fpath[1]}/_gateway"')
def completion(call: Invocation, shell: Annotated[Shell, argument("The shell.")]) -> None:
    """Print the script by which a shell completes commands and options; put it where your shell looks."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # reason: it marks no exports

    output.lines([get_completion_script(prog_name=PROGRAM, complete_var=_COMPLETE_VAR, shell=shell.value)])


def answer_shell() -> None:
    """Answer a shell's request for completions, before the words are read."""
    if _COMPLETE_VAR in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]  # reason: it marks no exports

        completion_init()


@verb()
def version(call: Invocation) -> None:
    """Print the version of the gateway and of Python."""
    output.record(
        call, {"gateway": __version__, "python": platform.python_version(), "system": platform.system()}
    )
