"""What pages say of a new password: the rules beforehand, every fault at once afterwards. In: a visit, what was typed. Out:
sentences. Whether it is taken the flows say."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.office.accounts.password import NotTaken
from gateway.office.web.visit import Visit

_ALWAYS = ("length", "kinds", "words", "past")


def rules(visit: Visit) -> Sequence[str]:
    """One sentence for each rule, with this node's numbers."""
    numbers = visit.deps.accounts.rules.passwords
    params = {"least": numbers.least, "remembered": numbers.remembered}
    told = [visit.say(f"new_password.{each}", **params) for each in _ALWAYS]
    if numbers.age is not None:
        told.append(visit.say("new_password.age", days=numbers.age.days))
    return told


def typed_twice(visit: Visit) -> list[tuple[str, str]]:
    """What is wrong with the two fields themselves."""
    if visit.form.text("new") != visit.form.text("again"):
        return [("again", visit.say("new_password.differ"))]
    return []


def faults(visit: Visit, why: NotTaken) -> list[tuple[str, str]]:
    least = visit.deps.accounts.rules.passwords.least
    return [("new", visit.say(f"password.{each}", least=least)) for each in why.faults]
