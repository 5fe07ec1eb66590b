"""Tells on whose behalf a certificate signs: an agency's seal or a person. In: what the certificate says of itself, and
rules, the first that fits deciding. Out: a role, the name and the organisation to show. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.domain.signatures import CertificateFacts, Role, RoleRule
from gateway.domain.text import fold
from gateway.words.reading import COPY_FORMS

ORGANISATION_PARTS = ("organization_name", "organizational_unit_name")

# How the public authorities write them: a tax or budget code for an organisation, an identity paper for a person. What
# tells a person goes first: a person's certificate may name the organisation too.
DEFAULT_RULES: tuple[RoleRule, ...] = (
    RoleRule(role=Role.PERSON, part="user_id", value="CCCD:", begins=True),
    RoleRule(role=Role.PERSON, part="user_id", value="CMND:", begins=True),
    RoleRule(role=Role.PERSON, part="user_id", value="HC:", begins=True),
    RoleRule(role=Role.PERSON, part="given_name", value="", begins=True),
    RoleRule(role=Role.PERSON, part="surname", value="", begins=True),
    RoleRule(role=Role.AGENCY, part="organization_identifier", value="", begins=True),
    RoleRule(role=Role.AGENCY, part="user_id", value="MST:", begins=True),
    RoleRule(role=Role.AGENCY, part="user_id", value="MDVQHNS:", begins=True),
)


def role_of(certificate: CertificateFacts, rules: Sequence[RoleRule] = ()) -> Role:
    """By the node's own rules, then by the usual ones; then an agency is who has the name of its organisation, whatever
    stands behind it."""
    for rule in (*rules, *DEFAULT_RULES):
        if any(_fits(rule, value) for value in _values(certificate, rule.part)):
            return rule.role
    name = fold(name_of(certificate))
    own = {fold(value) for part in ORGANISATION_PARTS for value in _values(certificate, part)}
    return Role.AGENCY if any(_begins(name, each) for each in own) else Role.PERSON


def name_of(certificate: CertificateFacts) -> str:
    """The common name, else the whole subject."""
    return next(iter(_values(certificate, "common_name")), certificate.subject)


def organisation_of(certificate: CertificateFacts) -> str:
    return next(iter(_values(certificate, "organization_name")), "")


def copy_form(*said: str) -> str | None:
    """Which electronic copy a signature makes (R25), SY, TrS or SL, by the reason it states or the mark it shows."""
    for words in map(fold, said):
        for form, marks in COPY_FORMS.items():
            if any(_begins(words, fold(mark)) for mark in marks):
                return form
    return None


def _begins(text: str, words: str) -> bool:
    """Whole words alone."""
    return bool(words) and text.startswith(words) and not text[len(words) : len(words) + 1].isalnum()


def _values(certificate: CertificateFacts, part: str) -> Iterable[str]:
    if part == "policy":
        return certificate.policies
    return [value for name, value in certificate.names if name == part]


def _fits(rule: RoleRule, value: str) -> bool:
    return value.startswith(rule.value) if rule.begins else value == rule.value
