"""The two persons of the demonstration, who bind its certificates as persons of a real node do. In: certificates. Out:
bound ones. Their passphrases are random and forgotten: they decide nothing on a demonstration later."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import pyotp

from gateway.deciding import approve, people, propose, set_up, sign_in
from gateway.deciding.desk import DecidingDesk
from gateway.domain.person import Role, SignedIn
from gateway.domain.proof import Binding
from gateway.domain.proposal import Content, Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class _Someone:
    name: str
    passphrase: str
    totp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Two:
    """Both, signed in: who proposes, and who approves."""

    proposer: SignedIn
    approver: SignedIn


async def two(desk: DecidingDesk, called: tuple[str, ...]) -> Two:
    """Those of an earlier run, whose secrets are lost, decide nothing any more."""
    await set_up.begin(desk, "operator")
    async with desk.decisions.read() as view:
        known = {each.name: each for each in await view.people.everybody()}
    for name in known:
        if name.startswith(called) and known[name].is_active:
            await people.block(desk, "operator", name)
    names = [next(each for each in _called(name) if each not in known) for name in called]
    # Both are added before either can administer persons: later the operator could not add the second.
    codes = [(name, await _added(desk, name)) for name in names]
    proposer, approver = [await _enrolled(desk, name, code) for name, code in codes]
    return Two(proposer=await _here(desk, proposer), approver=await _here(desk, approver))


async def bind(desk: DecidingDesk, both: Two, wanted: Sequence[Binding]) -> None:
    """All of them in one proposal, as at the first set-up of any node."""
    now = desk.clock.now()
    content = Content(bindings=tuple(propose.binding([], each, now, desk.overlap) for each in wanted))
    await agreed(desk, both, await propose.run(desk, both.proposer, content, "demo"))


async def agreed(desk: DecidingDesk, both: Two, made: Proposal) -> None:
    """The second person compared it with what it is about."""
    await approve.run(desk, both.approver, made.id, made.content.expected, made.digest)


def _called(name: str) -> Sequence[str]:
    return (name, *(f"{name} {n}" for n in range(2, 100)))


async def _added(desk: DecidingDesk, name: str) -> str:
    _, code = await people.add(desk, None, "operator", name, (Role.TRUST, Role.PEOPLE))
    return code


async def _enrolled(desk: DecidingDesk, name: str, code: str) -> _Someone:
    one = _Someone(name=name, passphrase=secrets.token_urlsafe(24), totp=desk.secrets.new_totp())
    await people.enrol(desk, name, code, one.passphrase, one.totp, pyotp.TOTP(one.totp).at(desk.clock.now()))
    return one


async def _here(desk: DecidingDesk, one: _Someone) -> SignedIn:
    # A code is good once, and enrolling used the present one: the next one is taken already.
    following = pyotp.TOTP(one.totp).at(desk.clock.now(), counter_offset=1)
    return await sign_in.run(desk, one.name, one.passphrase, following)
