"""The words that fields of the API are limited to, each list taken from the table that the node itself works with. In:
nothing. Out: types for the models of answers. A list that may grow, or that the other side can add to, is only named
(`x-extensible-enum`): a client must bear a word that it does not know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import WithJsonSchema

from gateway.domain.account import ApiScope, NumberingMode, PrincipalKind
from gateway.domain.document import (
    URGENCY_KEYS,
    DeliveryMode,
    FileRole,
    InState,
    Kind,
    OutState,
    RecipientRole,
)
from gateway.domain.event import EventKind
from gateway.domain.signatures import LegalValue
from gateway.domain.status import CODES, STATES, RequestKind, Track
from gateway.policy.verdict import ReasonCode

# Packets that did not become a document (yet), and how they end.
SET_ASIDE = ("waiting", "held", "quarantined", "malformed", "sealed")
PACKET_STATES = (*SET_ASIDE, "landed", "done", "released", "returned", "discarded", "dropped")
BUSINESS = {Kind.DOCUMENT: "new", Kind.REPLACEMENT: "replace", Kind.UPDATE: "update", Kind.RECALL: "recall"}
HANDOVERS = ("available", "leased", "acked")


def closed(words: Iterable[str]) -> dict[str, Any]:
    """The schema of a text that is one of these words."""
    return {"type": "string", "enum": list(dict.fromkeys(map(str, words)))}


def growing(words: Iterable[str]) -> dict[str, Any]:
    """The schema of a text that is one of these words today."""
    return {"type": "string", "x-extensible-enum": list(dict.fromkeys(map(str, words)))}


# What is answered is not checked against these again: a word of the other side must not break an answer.
OutWord = Annotated[str, WithJsonSchema(closed((*STATES, *OutState)))]
InWord = Annotated[str, WithJsonSchema(closed(InState))]
PacketWord = Annotated[str, WithJsonSchema(closed(PACKET_STATES))]
KindWord = Annotated[str, WithJsonSchema(closed(each for each in Kind if each is not Kind.STATUS))]
BusinessWord = Annotated[str, WithJsonSchema(closed(BUSINESS.values()))]
HandoverWord = Annotated[str, WithJsonSchema(closed(HANDOVERS))]
RoleWord = Annotated[str, WithJsonSchema(closed(RecipientRole))]
FileRoleWord = Annotated[str, WithJsonSchema(closed(FileRole))]
UrgencyWord = Annotated[str, WithJsonSchema(closed(URGENCY_KEYS.values()))]
ModeWord = Annotated[str, WithJsonSchema(closed(DeliveryMode))]
ValueWord = Annotated[str, WithJsonSchema(closed(LegalValue))]
TrackWord = Annotated[str, WithJsonSchema(closed(Track))]
RequestWord = Annotated[str, WithJsonSchema(closed(RequestKind))]
NumberingWord = Annotated[str, WithJsonSchema(closed(NumberingMode))]
PrincipalWord = Annotated[str, WithJsonSchema(closed(PrincipalKind))]
ScopeWord = Annotated[str, WithJsonSchema(growing(ApiScope))]
EventWord = Annotated[str, WithJsonSchema(growing(EventKind))]
FactWord = Annotated[str, WithJsonSchema(growing((*CODES, *STATES)))]
RuleWord = Annotated[str, WithJsonSchema(growing(ReasonCode))]
