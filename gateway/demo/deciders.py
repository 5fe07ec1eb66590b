"""The two persons of the demonstration, who bind its certificates as persons of a real node do. In: certificates. Out:
bound ones. Their passphrases are random and forgotten: nobody decides anything on a demonstration later."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import pyotp

from gateway.deciding import approve, people, propose, sign_in
from gateway.deciding.desk import DecidingDesk
from gateway.domain.person import Role, SignedIn
from gateway.domain.proof import Binding
from gateway.domain.proposal import Content

NAMES = ("Demo clerk", "Demo leader")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Someone:
    name: str
    passphrase: str
    totp: str


async def bind(desk: DecidingDesk, wanted: Sequence[Binding]) -> None:
    """All of them in one proposal, as at the first set-up of any node."""
    now = desk.clock.now()
    content = Content(bindings=tuple(propose.binding([], each, now, desk.overlap) for each in wanted))
    # Both are added before either can administer persons: later the operator could not add the second.
    codes = [(name, await _added(desk, name)) for name in NAMES]
    proposer, approver = [await _enrolled(desk, name, code) for name, code in codes]
    made = await propose.run(desk, await _here(desk, proposer), content, "demo")
    await approve.run(desk, await _here(desk, approver), made.id, made.content.expected, made.digest)


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
