"""A person who decides shows password and second factor anew, in the very form that decides. In: the fields of that form.
Out: the person signed in for one decision; or the words that stand beside the field."""

from __future__ import annotations

from gateway.deciding import sign_in
from gateway.domain.person import SignedIn
from gateway.errors import GatewayError
from gateway.office.web.visit import Visit
from gateway.policy.two_people import Objection
from gateway.words import labels

Problems = list[tuple[str, str]]
PASSWORD, CODE = "password", "code"  # the names of fields
_UNPROVED = "GW-401"


async def here(visit: Visit) -> SignedIn:
    """Whoever is at the page, and nobody else. Denied as everywhere where persons decide."""
    person = visit.person.person
    return await sign_in.run(
        visit.deps.deciding, person.login or person.name, visit.form.text(PASSWORD), visit.form.text(CODE)
    )


def missing(visit: Visit) -> Problems:
    """What is not even filled in."""
    words = {PASSWORD: "entry.password", CODE: "entry.code"}
    return [
        (name, visit.say("form.missing", field=visit.say(key)))
        for name, key in words.items()
        if not visit.form.text(name)
    ]


def refused(visit: Visit, error: GatewayError) -> Problems:
    """Why the decision was not taken; raises anew what is no matter of the form."""
    if error.code == _UNPROVED:
        return [(PASSWORD, visit.say("reforms.sign.wrong"))]
    if not labels.has(f"clash.{error.code}"):
        raise error
    field = "typed_1" if error.code == Objection.DIGITS else ""
    return [(field, visit.say(f"clash.{error.code}"))]
