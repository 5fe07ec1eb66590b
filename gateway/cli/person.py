"""Signs a person in at the command line. In: a name as an option, and what the person types unseen: passphrase, then second
factor. Out: `SignedIn`. Nothing of it stands in an argument, an environment variable or a log; without a terminal each
answer is one line of standard input."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.command import Call

if TYPE_CHECKING:
    from gateway.bootstrap.ground import Ground
    from gateway.domain.person import SignedIn

_LONGEST = 4096

As = Annotated[str, typer.Option("--as", help="Who you are; passphrase and second factor are asked for.")]
MaybeAs = Annotated[
    str | None, typer.Option("--as", help="Who you are; left out only while nobody may administer persons.")
]


def unseen(call: Call, key: str, **params: object) -> str:
    """What the person types, without showing it."""
    if sys.stdin.isatty():
        return getpass.getpass(f"{call.word(key, **params)}: ", stream=sys.stderr)
    return _line(call, key, **params)


def seen(call: Call, key: str, **params: object) -> str:
    """What the person types, shown while it is typed."""
    if sys.stdin.isatty():
        print(f"{call.word(key, **params)}: ", end="", file=sys.stderr, flush=True)
    return _line(call, key, **params).strip()


def _line(call: Call, key: str, **params: object) -> str:
    text = sys.stdin.readline(_LONGEST)
    if not text:
        raise typer.BadParameter(call.word("cli.person.no_answer", what=call.word(key, **params)))
    return text.rstrip("\r\n")


async def signed_in(call: Call, ground: Ground, name: str) -> SignedIn:
    """The person of that name, who is here."""
    from gateway.deciding import sign_in

    passphrase = unseen(call, "cli.person.passphrase", name=name)
    code = unseen(call, "cli.person.code", name=name)
    return await sign_in.run(ground.deciding, name, passphrase, code)


async def maybe_signed_in(call: Call, ground: Ground, name: str | None) -> SignedIn | None:
    """As `signed_in`; None for the operator at the machine."""
    return None if name is None else await signed_in(call, ground, name)
