"""The words in which `structure` and `properties` read a Signature: an element is a group or a leaf, at one position,
with exactly the attributes it may have. In: elements. Out: children, texts and octets, or BadSignature SIG-STRUCTURE.
Nothing is looked up by search, so nothing parked elsewhere can be found first (G4)."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lxml import etree

from gateway.errors import BadSignature

if TYPE_CHECKING:
    from gateway.edxml.properties import Properties

# G7: only under a sender's dated permission.
LEGACY_METHOD: Final = {"http://www.w3.org/2000/09/xmldsig#rsa-sha1": "rsa-sha1"}
LEGACY_DIGEST: Final = "http://www.w3.org/2000/09/xmldsig#sha1"
LEGACY_C14N: Final = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"

_SPACE = re.compile(r"[ \t\r\n]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a Signature of right structure says. `method` is our name of the algorithm; `info_exclusive` and
    `body_exclusive` tell the canonical form that was signed; `properties` None: it has only the first reference."""

    element: etree._Element
    signed_info: etree._Element
    info_exclusive: bool
    method: str
    body_digest: bytes
    body_digest_method: str
    body_exclusive: bool
    properties_digest: bytes | None
    properties: Properties | None
    value: bytes
    certificate_der: bytes
    weak: bool


def group(
    element: etree._Element, tag: str, *, required: Sequence[str] = (), optional: Sequence[str] = ()
) -> list[etree._Element]:
    """The children of an element that holds elements alone, with white space between them at most."""
    _named(element, tag, required, optional)
    children = list(element)
    texts = [element.text, *(child.tail for child in children)]
    if any(text and text.strip(" \t\r\n") for text in texts):
        raise fault(element, "holds text where only elements stand")
    if any(not isinstance(child.tag, str) for child in children):
        raise fault(element, "holds a comment or instruction")
    return children


def leaf(
    element: etree._Element, tag: str, *, required: Sequence[str] = (), optional: Sequence[str] = ()
) -> str:
    """The text of an element that holds text alone and says something."""
    _named(element, tag, required, optional)
    if len(element):
        raise fault(element, "holds elements where only text stands")
    if not element.text:
        raise fault(element, "is empty")
    return element.text


def octets(text: str, element: etree._Element, *, spaced: bool = False) -> bytes:
    """Base64 that equals its own encoding; `spaced`: once white space is taken out (G3)."""
    bare = _SPACE.sub("", text) if spaced else text
    try:
        raw = b64decode(bare, validate=True)
    except (binascii.Error, ValueError) as why:
        raise fault(element, "is not base64") from why
    if not raw or b64encode(raw).decode("ascii") != bare:
        raise fault(element, "is not base64 as an encoder writes it")
    return raw


def fault(element: etree._Element, what: str) -> BadSignature:
    """SIG-STRUCTURE, with the element's name and what is wrong with it."""
    local = etree.QName(element).localname if isinstance(element.tag, str) else "comment"
    return BadSignature("SIG-STRUCTURE", f"{local} {what}", step=5, where=local)


def _named(element: etree._Element, tag: str, required: Sequence[str], optional: Sequence[str]) -> None:
    if element.tag != tag:
        raise fault(element, f"stands where {etree.QName(tag).localname} is expected")
    found = set(element.attrib)
    if not set(required) <= found or not found <= {*required, *optional}:
        attributes = ", ".join(sorted(str(each) for each in found)) or "none"
        raise fault(element, f"has the attributes {attributes}; expected {', '.join(required) or 'none'}")
