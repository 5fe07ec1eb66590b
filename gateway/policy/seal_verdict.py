"""Tells whose signatures stand on a PDF (R23, signatures bound to agencies): the seal of the sending agency, of one
entitled to act for it, of another, or an unknown one; and which person signed, in which position and capacity. In: the
verdict on a file's signatures, what is registered for the sending code, the time at which the bytes existed. Out: the same
verdict with these words, and the legal value that follows. Pure.

Each signature is judged for its proved time: a person who left office, or a seal that was withdrawn before, counts no
more. Only words of a written act count; that one agency is above another gives it nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from gateway.domain.seals import (
    CertificateKind,
    RegisteredCertificate,
    SealRegister,
    SealWord,
    SignatoryWord,
)
from gateway.domain.signatures import FileVerdict, SignatureWord, SignerRole, SignerVerdict
from gateway.domain.wall_clock import local

# Version of the rule that makes verdicts: 1 looked at signatures alone, 2 also compares registered certificates.
RULE = 2
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
PERIOD_OVER = "SIGNER-PERIOD"


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
        person_why=None,
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
    signer: SignerVerdict, matching: Iterable[RegisteredCertificate], code: str, at: datetime
) -> SignerVerdict:
    of_sender = [c for c in matching if c.code == code and c.kind is CertificateKind.PERSON]
    registered = next((c for c in of_sender if c.is_in_force(at)), None)
    if registered is None:
        why = PERIOD_OVER if of_sender else None
        return replace(signer, person=SignatoryWord.UNKNOWN, person_why=why)
    return replace(
        signer, person=SignatoryWord.KNOWN, position=registered.position, capacity=registered.capacity
    )


def has_seal(register: SealRegister, at: datetime) -> bool:
    """Tell whether a seal of the sending agency is registered for that time."""
    return any(
        c.code == register.code and c.kind is CertificateKind.SEAL and c.is_in_force(at)
        for c in register.certificates
    )


def seal_signer(lead: FileVerdict | None) -> SignerVerdict | None:
    """Return the signature with the seal that speaks best for the sending agency; invalid ones do not count. None where
    nothing was compared or no seal is there."""
    signers = [s for s in lead.signers if s.verdict is not SignatureWord.INVALID] if lead else []
    return next((s for word in _BEST_SEAL_FIRST for s in signers if s.seal is word), None)


def seal_word(lead: FileVerdict | None) -> SealWord | None:
    signer = seal_signer(lead)
    return signer.seal if signer else None


def person_signer(lead: FileVerdict | None) -> SignerVerdict | None:
    """Return the person's signature: a registered person's first."""
    signers = [s for s in lead.signers if s.verdict is not SignatureWord.INVALID] if lead else []
    return next((s for word in SignatoryWord for s in signers if s.person is word), None)


def person_word(lead: FileVerdict | None) -> SignatoryWord | None:
    signer = person_signer(lead)
    return signer.person if signer else None
