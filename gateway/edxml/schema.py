"""Says whether an envelope keeps the written form of dialect A. In: a skeleton (`skeleton.skeleton`), or the tree that a
reader holds already. Out: None, or the problems, each with its place and a sentence for a person. `holds` and `check`
are fast and for every packet; `explain` is slow, for a packet that failed. Rules that XSD 1.0 cannot say, what each
operation must carry, stand here in code. The schemas are this program's own files, read once: by `load` at
start-up, or when first asked."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lxml import etree

from gateway.edxml import dates, names, problems, safe_xml
from gateway.edxml.problems import Problem
from gateway.edxml.tree import XML_SPACE
from gateway.errors import MalformedXml

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xmlschema

DOCUMENT = "edxml-document.xsd"
STATUS = "edxml-status.xsd"
TYPES = "edxml-types.xsd"

_HEADER = ("edXMLEnvelope", "edXMLHeader")
_MOST_PROBLEMS = 100


def holds(root: etree._Element) -> bool:
    """Whether all is well with a tree, in which the files' octets and what is inside the Signature need not stand."""
    return _fast(_schema_of(root)).validate(root) and not _beyond(root)


def check(skeleton: bytes) -> list[Problem] | None:
    """None when all is well. libxml2 gives the verdict; the words are `explain`'s, as time no longer matters then."""
    return None if holds(_root(skeleton)) else explain(skeleton)


def explain(skeleton: bytes) -> list[Problem]:
    """All problems, at most a hundred, each in words; empty when `check` finds none."""
    root = _root(skeleton)
    name = _schema_of(root)
    errors = _slow(name).iter_errors(root)
    found = [problems.of_error(error) for error in itertools.islice(errors, _MOST_PROBLEMS)]
    found = list(dict.fromkeys([*found, *_beyond(root)]))
    if not found and not _fast(name).validate(root):
        sentence = "the two schema validators do not agree; the stricter one refuses this envelope"
        return [Problem(path="/edXML", line=None, rule="form", sentence=sentence)]
    if b"\n" not in skeleton:  # all on one line, as we write it ourselves: the number would say nothing
        found = [replace(problem, line=None) for problem in found]
    return found


def load() -> None:
    """Compiles what every packet is held against, so that the first one need not wait and a missing file stops the start.
    What explains is compiled for the first packet that fails."""
    for name in (DOCUMENT, STATUS):
        _fast(name)


def folder() -> Path:
    """Where the schemas lie: inside the installed package, or beside it in the source tree."""
    inside = Path(__file__).with_name("xsd")
    return inside if inside.is_dir() else Path(__file__).parents[2] / "schemas"


@functools.cache
def _fast(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(folder() / name, safe_xml.parser()))


@functools.cache
def _slow(name: str) -> xmlschema.XMLSchema10:
    import xmlschema

    return xmlschema.XMLSchema10(str(folder() / name), allow="local", defuse="always")


def _root(skeleton: bytes) -> etree._Element:
    try:
        return etree.fromstring(skeleton, safe_xml.parser())
    except etree.XMLSyntaxError as error:
        raise MalformedXml(
            "ENV-NOT-XML", f"the skeleton of the envelope cannot be read: {error}", step=3
        ) from error


def _schema_of(root: etree._Element) -> str:
    """A MessageHeader with StatusCode is a status (edxml.md 3)."""
    return DOCUMENT if _find(root, *_HEADER, "MessageHeader", "StatusCode") is None else STATUS


def _find(element: etree._Element | None, *path: str) -> etree._Element | None:
    for local in path:
        if element is None:
            return None
        element = next(element.iterchildren(f"{{{names.QCVN}}}{local}"), None)
    return element


def _all(element: etree._Element | None, *path: str) -> list[etree._Element]:
    parent = _find(element, *path[:-1])
    return [] if parent is None else parent.findall(f"{{{names.QCVN}}}{path[-1]}")


def _text(element: etree._Element | None, *path: str) -> str:
    found = _find(element, *path)
    return "" if found is None else (found.text or "").strip(XML_SPACE)


def _beyond(root: etree._Element) -> list[Problem]:
    header = _find(root, *_HEADER)
    found = [*_dates(root), *_receivers(header)]
    business = _find(header, "TraceHeaderList", "Bussiness")
    if business is not None:
        found += _operation(business)
    return found


def _dates(root: etree._Element) -> Iterator[Problem]:
    """The form is the schema's; here, whether there is such a day."""
    for local in ("PromulgationDate", "DueDate", "Timestamp"):
        for element in root.iter(f"{{{names.QCVN}}}{local}"):
            if element.text and dates.read_time(element.text)[0] is None:
                yield problems.at(element, "date", f"{local} names a day or time that does not exist")


def _receivers(header: etree._Element | None) -> Iterator[Problem]:
    seen: set[str] = set()
    for receiver in _all(header, "MessageHeader", "To"):
        code = _text(receiver, "OrganId").upper()
        if code and code in seen:
            yield problems.at(
                receiver, "receiver", "this agency stands in To before; name each receiver once"
            )
        seen.add(code)


def _operation(business: etree._Element) -> Iterator[Problem]:
    """What each operation must carry (edxml.md 2.4), and what belongs to another one."""
    number = _text(business, "BussinessDocType")
    needed = {
        "1": ("BussinessDocReason",),
        "2": ("DocumentId", "BussinessDocumentInfo"),
        "3": ("ReplacementInfoList",),
    }.get(number, ())
    for local in needed:
        if _find(business, local) is None:
            yield problems.at(
                business, "operation", f"operation {number} must carry {local}, which is missing"
            )
    for local, owner in (("BussinessDocumentInfo", "2"), ("ReplacementInfoList", "3")):
        found = _find(business, local)
        if found is not None and number != owner:
            yield problems.at(
                found, "operation", f"{local} belongs to operation {owner} and this is {number or 'none'}"
            )
