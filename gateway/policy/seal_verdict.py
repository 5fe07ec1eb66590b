"""Tells whose signatures stand on a PDF (R23, signatures bound to agencies): the seal of the sending agency, of one
entitled to act for it, of another, or an unknown one; which person signed, in which position and capacity; and whether
the document's header names that person. In: the verdict on a file's signatures, what is registered for the sending code,
the time at which the bytes existed, the signer of the header. Out: the same verdict with these words, and the table of
legal values (R19, two signatures). Pure.

Each signature is judged for its proved time: a person who left office, or a seal that was withdrawn before, counts no
more. Only words of a written act count; that one agency is above another gives it nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from gateway.domain.document import Signer
from gateway.domain.seals import (
    CertificateKind,
    HeaderWord,
    RegisteredCertificate,
    SealRegister,
    SealWord,
    SignatoryWord,
)
from gateway.domain.signatures import FileVerdict, LegalValue, SignatureWord, SignerRole, SignerVerdict
from gateway.domain.text import fold
from gateway.domain.wall_clock import local

# Version of the rule that makes verdicts: 1 looked at signatures alone, 2 also compares registered certificates, and 3
# gives a document its value only by a registered person.
RULE = 3
# Version from which certificates are compared, so that a verdict can be compared again without its file.
COMPARED = 2
# Seals that give a document of the sending agency its value.
GOOD_SEALS = frozenset({SealWord.OWN, SealWord.ENTITLED})
# Seals that certainly are not the sending agency's.
WRONG_SEALS = frozenset({SealWord.OTHER, SealWord.UNKNOWN})
_BEST_SEAL_FIRST = (
    SealWord.OWN,
    SealWord.ENTITLED,
    SealWord.OTHER,
    SealWord.UNKNOWN,
    SealWord.UNREGISTERED,
)
_REGISTERED, _UNKNOWN, _ENDED, _FOREIGN = SignatoryWord
_O, _U, _I = LegalValue.OFFICIAL, LegalValue.UNPROVED, LegalValue.INFORMATION
# Value of a document by the seal (row) and the person (column); None: there is no such signature. Whether it is a copy
# was asked before. A header that names another person makes an official document an unproved one.
_PERSONS = (_REGISTERED, _UNKNOWN, _ENDED, _FOREIGN, None)
_VALUES: Mapping[SealWord | None, tuple[LegalValue, ...]] = {
    SealWord.OWN: (_O, _U, _I, _I, _I),
    SealWord.ENTITLED: (_O, _U, _I, _I, _I),
    SealWord.OTHER: (_I, _I, _I, _I, _I),
    SealWord.UNKNOWN: (_I, _I, _I, _I, _I),
    SealWord.UNREGISTERED: (_I, _I, _I, _I, _I),
    None: (_I, _I, _I, _I, _I),
}
_CAPACITY = re.compile(r"\b(tm|kt|tl|tuq|q)\s?[./]")
_PARTS = re.compile(r"[,;/\u2013\u2014-]")


def value_of(seal: SealWord | None, person: SignatoryWord | None, header: HeaderWord | None) -> LegalValue:
    """Return the legal value of an original, by the table."""
    value = _VALUES[seal][_PERSONS.index(person)]
    is_other = value is LegalValue.OFFICIAL and header is HeaderWord.OTHER
    return LegalValue.UNPROVED if is_other else value


def fingerprints(verdicts: Iterable[FileVerdict]) -> tuple[str, ...]:
    """Return the certificates that signed, each once and in a fixed order."""
    return tuple(sorted({s.sha256 for verdict in verdicts for s in verdict.signers if s.sha256}))


def identify(verdict: FileVerdict, register: SealRegister, seen_at: datetime) -> FileVerdict:
    """Return the verdict with the word for each signature: whose seal it is, or which person. A registered certificate
    decides by its kind whether it is a seal; names in it decide only for the others."""
    signers = tuple(_identify_signer(signer, register, seen_at) for signer in verdict.signers)
    return replace(verdict, signers=signers, rule=RULE)


def _identify_signer(signer: SignerVerdict, register: SealRegister, seen_at: datetime) -> SignerVerdict:
    at = min(signer.trusted_at, seen_at) if signer.trusted_at else seen_at
    signer = replace(
        signer,
        seal=None,
        seal_code="",
        seal_act="",
        seal_over="",
        person=None,
        person_name="",
        position="",
        capacity="",
    )
    matching = [c for c in register.certificates if signer.sha256 and c.fingerprint == signer.sha256]
    in_force = [c for c in matching if c.is_in_force(at)]
    role = _role_of(signer, in_force or matching, register.code)
    signer = replace(signer, role=role)
    if role is SignerRole.AGENCY:
        return _identify_seal(signer, matching, register, at)
    if role is SignerRole.PERSON:
        return _identify_person(signer, matching, register.code, at)
    return signer


def _role_of(
    signer: SignerVerdict, matching: Iterable[RegisteredCertificate], code: str
) -> SignerRole | None:
    """Return the role by what is registered, the sending agency's registration first; else by the names."""
    kinds = [c.kind for c in sorted(matching, key=lambda c: c.code != code)]
    if not kinds:
        return signer.role
    return SignerRole.AGENCY if kinds[0] is CertificateKind.SEAL else SignerRole.PERSON


def _identify_seal(
    signer: SignerVerdict, matching: Iterable[RegisteredCertificate], register: SealRegister, at: datetime
) -> SignerVerdict:
    seals = [c for c in matching if c.kind is CertificateKind.SEAL]
    codes = sorted({c.code for c in seals if c.is_in_force(at)})
    if register.code in codes:
        return replace(signer, seal=SealWord.OWN, seal_code=register.code)
    day = local(at).date()
    for right in register.rights:
        if right.code == register.code and right.acting_code in codes and right.is_in_force(day):
            act = f"{right.act_number} ({right.act_date:%d/%m/%Y})"
            return replace(signer, seal=SealWord.ENTITLED, seal_code=right.acting_code, seal_act=act)
    if codes:
        return replace(signer, seal=SealWord.OTHER, seal_code=codes[0])
    word = SealWord.UNKNOWN if has_seal(register, at) else SealWord.UNREGISTERED
    own = [c for c in seals if c.code == register.code]
    period = f"{local(own[-1].valid_from):%d/%m/%Y}–{local(own[-1].valid_to):%d/%m/%Y}" if own else ""
    return replace(signer, seal=word, seal_over=period)


def _identify_person(
    signer: SignerVerdict, matching: Sequence[RegisteredCertificate], code: str, at: datetime
) -> SignerVerdict:
    of_sender = [c for c in matching if c.code == code and c.kind is CertificateKind.PERSON]
    registered = next((c for c in of_sender if c.is_in_force(at)), None)
    if registered is None:
        return replace(signer, person=_ENDED if of_sender else _FOREIGN if matching else _UNKNOWN)
    return replace(
        signer,
        person=_REGISTERED,
        person_name=registered.name or signer.name,
        position=registered.position,
        capacity=registered.capacity,
    )


def has_seal(register: SealRegister, at: datetime) -> bool:
    """Tell whether a seal of the sending agency is registered for that time."""
    return any(
        c.code == register.code and c.kind is CertificateKind.SEAL and c.is_in_force(at)
        for c in register.certificates
    )


def _sound(lead: FileVerdict | None) -> list[SignerVerdict]:
    signers = lead.signers if lead else ()
    return [s for s in signers if s.verdict is not SignatureWord.INVALID] if signers else []


def seal_signer(lead: FileVerdict | None) -> SignerVerdict | None:
    """Return the signature with the seal that speaks best for the sending agency; invalid ones do not count. None where
    nothing was compared or no seal is there."""
    sound = _sound(lead)
    return next((s for word in _BEST_SEAL_FIRST for s in sound if s.seal is word), None) if sound else None


def seal_word(lead: FileVerdict | None) -> SealWord | None:
    signer = seal_signer(lead)
    return signer.seal if signer else None


def person_signer(lead: FileVerdict | None) -> SignerVerdict | None:
    """Return the person's signature that speaks best for the sending agency; invalid ones do not count."""
    sound = _sound(lead)
    return next((s for word in SignatoryWord for s in sound if s.person is word), None) if sound else None


def person_word(lead: FileVerdict | None) -> SignatoryWord | None:
    signer = person_signer(lead)
    return signer.person if signer else None


def signer_of(lead: FileVerdict | None) -> Signer | None:
    """Return the registered person who signed, as a header names a signer; None where no registered person did."""
    signer = person_signer(lead)
    if signer is None or signer.person is not _REGISTERED:
        return None
    name, title = signer.person_name[:50], signer.position[:100] or None
    return Signer(name=name, title=title, competence=signer.capacity or None)


def header_word(lead: FileVerdict | None, stated: Signer | None) -> HeaderWord | None:
    """Tell whether the signer of the header is a registered person who signed; None where one of the two is missing."""
    registered = [s for s in _sound(lead) if s.person is _REGISTERED]
    if stated is None or not stated.name.strip() or not registered:
        return None
    return HeaderWord.SAME if any(_names(stated, signer) for signer in registered) else HeaderWord.OTHER


def _names(stated: Signer, signer: SignerVerdict) -> bool:
    """Tell whether the header names this person: the name, perhaps behind academic titles; where both sides state them,
    also the position and the capacity."""
    name, title, position = fold(stated.name), fold(stated.title or ""), fold(signer.position)
    capacities = {
        f"{mark.upper()}." for mark in _CAPACITY.findall(f"{title}, {fold(stated.competence or '')}")
    }
    titles = [part.strip() for part in _PARTS.split(_CAPACITY.sub(",", title)) if part.strip(" .")]
    return (
        fold(signer.person_name) in (name, name.rpartition(". ")[2])
        and (not (capacities and signer.capacity) or signer.capacity in capacities)
        and (not (titles and position) or any(_is_position(t, position, bool(capacities)) for t in titles))
    )


def _is_position(title: str, position: str, is_behind: bool) -> bool:
    """Tell whether a title is the registered position: one begins with the other, as of an agency that is named behind it;
    with a capacity it may stand behind the position of the head."""
    shorter, longer = sorted((title, position), key=len)
    is_begun = longer.startswith(shorter) and not longer[len(shorter) :][:1].isalnum()
    return is_begun or (is_behind and title.endswith(f" {position}"))
