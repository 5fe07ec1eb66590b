"""Whose seal stands on a document and who signed it, in words, for every interface. In: the verdict on the lead file. Out:
one sentence about the seal, one about the person, and the legal value with its reason. Pure."""

from __future__ import annotations

from gateway.domain.document import FileRole, IncomingDocument, OutgoingDocument, Signer
from gateway.domain.seals import SealWord, SignatoryWord
from gateway.domain.signatures import FileVerdict, LegalValue, SignerVerdict
from gateway.policy.seal_verdict import (
    GOOD_SEALS,
    header_word,
    person_signer,
    seal_signer,
)
from gateway.words import labels


def lead_verdict(document: IncomingDocument | OutgoingDocument) -> FileVerdict | None:
    """Return the verdict on the lead file of a document; None where it is no PDF."""
    leads = [file.n for file in document.files if file.role is FileRole.LEAD]
    n = next(iter(leads or [file.n for file in document.files]), None)
    return next((v for v in document.signatures if v.n == n), None)


def seal_text(lead: FileVerdict | None, lang: str) -> str:
    """Say whose seal stands on the lead file; with a right seal also that its signer is not known. Empty where no seal was
    compared."""
    signer, person = seal_signer(lead), person_signer(lead)
    if signer is None or signer.seal is None:
        return ""
    is_stranger = person is not None and person.person is not SignatoryWord.KNOWN
    key = f"seal.{signer.seal}"
    if is_stranger and signer.seal in GOOD_SEALS:
        key += ".signer_unknown"
    return _say_seal(key, signer, lang)


def signer_text(signer: SignerVerdict, lang: str) -> str:
    """Say of one signature whose seal it is, or who the person is; empty where nothing was compared."""
    if signer.seal is not None:
        return _say_seal(f"seal.{signer.seal}", signer, lang)
    if signer.person is None:
        return ""
    if signer.person is SignatoryWord.KNOWN:
        key = "signatory.known.capacity" if signer.capacity else "signatory.known"
        return labels.say(key, lang, position=signer.position, capacity=signer.capacity)
    return labels.say(f"signatory.{signer.person}", lang)


def person_text(lead: FileVerdict | None, lang: str) -> str:
    """Say in which position and capacity the person signed; empty where no person's signature was compared."""
    signer = person_signer(lead)
    return signer_text(signer, lang) if signer is not None else ""


def header_text(document: IncomingDocument | OutgoingDocument, lang: str) -> str:
    """Say whether the header names the person who signed; empty where the two could not be compared."""
    lead, stated = lead_verdict(document), _stated_signer(document)
    word, person = header_word(lead, stated), person_signer(lead)
    if word is None or person is None or stated is None:
        return ""
    name_text = " – ".join(filter(None, (stated.name, stated.title)))
    signed = " – ".join(filter(None, (person.person_name, person.position)))
    return labels.say(f"check.signer.{word}", lang, stated=name_text, person=signed)


def _stated_signer(document: IncomingDocument | OutgoingDocument) -> Signer | None:
    return document.signer if isinstance(document, IncomingDocument) else document.draft.signer


def value_text(value: LegalValue | None, lead: FileVerdict | None, lang: str) -> str:
    """Say what a document is worth beside paper, and why that is not known yet."""
    signer = seal_signer(lead)
    is_unregistered = signer is not None and signer.seal is SealWord.UNREGISTERED
    key = value or ("unregistered" if is_unregistered else "unknown")
    return labels.say(f"legal.{key}", lang)


def _say_seal(key: str, signer: SignerVerdict, lang: str) -> str:
    if signer.seal_over:
        return labels.say("seal.over", lang, period=signer.seal_over)
    holder = signer.organisation or signer.name
    agency = f"{holder} ({signer.seal_code})" if holder else signer.seal_code
    return labels.say(key, lang, agency=agency, act=signer.seal_act)
