"""Says whether an envelope keeps the written form of dialect A. In: a skeleton, or the tree that a reader holds already.
Out: None, or the problems, each with its place and a sentence for a person that names the thing, what was expected
and what was found, and never quotes a value: it may stand in a log, where the content of documents may not. `holds`
and `check` are fast and for every packet; `explain` is slow, for a packet that failed. Rules that XSD 1.0 cannot say,
what each operation must carry, stand here in code. The schemas are this program's own files, compiled when the first
packet comes; `check_files` stops a start where one is missing.

`skeleton` cuts an envelope, native or not, down to what a schema judges: the same elements with one prefix for all,
without the attachments' bodies and without what is inside a Signature, a few kilobytes however large the file. In one
streaming pass; it judges nothing."""

from __future__ import annotations

import functools
import itertools
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gateway.edxml import dialects, names, parse, safe_xml
from gateway.edxml.dialects import XML_SPACE, Notes
from gateway.edxml.names import escape, escape_attribute
from gateway.errors import MalformedXml, Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import xmlschema
    from lxml import etree

    from gateway.edxml.envelope import Business, Envelope
    from gateway.edxml.names import Element
    from gateway.edxml.policy import EnvelopeLimits

RULES = (
    "missing",
    "unexpected",
    "empty",
    "value",
    "length",
    "attribute",
    "text",
    "child",
    "date",
    "operation",
    "receiver",
    "form",
)
"""Every value of `SchemaProblem.rule`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaProblem:
    """One thing that is not as the form wants it. `line` counts lines of the skeleton, which up to the attachments
    are those of the file; None when it is written on one line. `label_key` is what a clerk's page looks up."""

    path: str
    line: int | None
    rule: str
    sentence: str

    @property
    def label_key(self) -> str:
        return f"schema.{self.rule}"


def problem_at(element: etree._Element, rule: str, sentence: str) -> SchemaProblem:
    """A problem of one element."""
    line = cast("int | None", element.sourceline)  # the stubs give it no type
    return SchemaProblem(path=_path(element), line=line, rule=rule, sentence=sentence)


def problem_of_error(error: Any) -> SchemaProblem:  # xmlschema ships no types
    """One error of `iter_errors`, in words."""
    from xmlschema import XMLSchemaChildrenValidationError
    from xmlschema.validators import (
        XsdAttribute,
        XsdAttributeGroup,
        XsdElement,
        XsdGroup,
        XsdMaxLengthFacet,
    )

    element: etree._Element = error.elem
    local = _local_name(element)
    text = element.text or ""
    if isinstance(error, XMLSchemaChildrenValidationError):
        return _problem_of_children(element, error)
    if isinstance(error.validator, (XsdAttribute, XsdAttributeGroup)):
        return problem_at(element, "attribute", f"{local}: {error.reason}")
    if isinstance(error.validator, XsdGroup):
        return problem_at(element, "text", f"{local} holds text where only elements may stand")
    if isinstance(error.validator, XsdElement):
        return problem_at(element, "child", f"{local} holds elements where only text may stand")
    if isinstance(error.validator, XsdMaxLengthFacet):
        limit = error.validator.value
        return problem_at(element, "length", f"{local} has {len(text)} characters; at most {limit} are taken")
    if not text.strip(XML_SPACE):
        return problem_at(element, "empty", f"{local} is empty; leave out what is absent")
    return problem_at(element, "value", f"the value of {local} is not of the form that is wanted there")


def _problem_of_children(element: etree._Element, error: Any) -> SchemaProblem:
    parent = _local_name(element)
    wanted = _names_of(error.expected or ())
    child: etree._Element | None = error.invalid_child
    if child is None:
        return problem_at(element, "missing", f"{parent} lacks {wanted or 'an element'}")
    found = _local_name(child)
    if wanted and any(one.min_occurs for one in error.expected):
        return problem_at(child, "missing", f"{parent} lacks {wanted}; {found} stands in its place")
    return problem_at(child, "unexpected", f"{found} may not stand here in {parent}")


def _names_of(particles: Iterable[Any]) -> str:
    return " or ".join(sorted({str(one.local_name) for one in particles if one.local_name}))


def _local_name(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _path(element: etree._Element) -> str:
    steps = [_step(element), *map(_step, element.iterancestors())]
    return "/" + "/".join(reversed(steps))


def _step(element: etree._Element) -> str:
    before = sum(1 for _ in element.itersiblings(element.tag, preceding=True))
    after = next(element.itersiblings(element.tag), None)
    local = _local_name(element)
    return f"{local}[{before + 1}]" if before or after is not None else local


DOCUMENT = "edxml-document.xsd"
STATUS = "edxml-status.xsd"
TYPES = "edxml-types.xsd"

_HEADER = ("edXMLEnvelope", "edXMLHeader")
_MOST_PROBLEMS = 100


def holds(root: etree._Element, usual: Envelope | None = None) -> bool:
    """Whether all is well with a tree, in which the files' octets and what is inside the Signature need not stand. `usual`:
    what was read of it, where nothing was unusual; then every day in it exists."""
    if usual is not None:
        name = DOCUMENT if usual.status is None else STATUS
        return compiled(name).validate(root) and _names_each_once(usual) and _is_whole(usual.business)
    header = _find(root, *_HEADER)
    return compiled(_schema_for(header)).validate(root) and not _beyond(root, header)


def check(skeleton: bytes) -> list[SchemaProblem] | None:
    """None when all is well. libxml2 gives the verdict; the words are `explain`'s, as time no longer matters then."""
    return None if holds(_root(skeleton)) else explain(skeleton)


def explain(skeleton: bytes) -> list[SchemaProblem]:
    """All problems, at most a hundred, each in words; empty when `check` finds none."""
    root = _root(skeleton)
    header = _find(root, *_HEADER)
    name = _schema_for(header)
    errors = _slow(name).iter_errors(root)
    found = [problem_of_error(error) for error in itertools.islice(errors, _MOST_PROBLEMS)]
    found = list(dict.fromkeys([*found, *_beyond(root, header)]))
    if not found and not compiled(name).validate(root):
        sentence = "the two schema validators do not agree; the stricter one refuses this envelope"
        return [SchemaProblem(path="/edXML", line=None, rule="form", sentence=sentence)]
    if b"\n" not in skeleton:  # all on one line, as we write it ourselves: the number would say nothing
        found = [replace(problem, line=None) for problem in found]
    return found


def check_files() -> None:
    """Misconfigured where a schema is missing, which would else be found by the first packet."""
    for name in (DOCUMENT, STATUS, TYPES):
        if not (path := folder() / name).is_file():
            raise Misconfigured(f"the schema {path} is missing", hint="install the program again")


def folder() -> Path:
    """Where the schemas lie: inside the installed package, or beside it in the source tree."""
    inside = Path(__file__).with_name("xsd")
    return inside if inside.is_dir() else Path(__file__).parents[2] / "schemas"


@functools.cache
def compiled(name: str) -> etree.XMLSchema:
    """Compile what every packet is held against. What explains is compiled for the first packet that fails."""
    import lxml.etree as etree

    # The library makes the types of all schemas with the first one, and two threads at once make half of them.
    with _COMPILING:
        return etree.XMLSchema(etree.parse(folder() / name, safe_xml.parser()))


_COMPILING = threading.Lock()


@functools.cache
def _slow(name: str) -> xmlschema.XMLSchema10:
    import xmlschema

    return xmlschema.XMLSchema10(str(folder() / name), allow="local", defuse="always")


def _root(skeleton: bytes) -> etree._Element:
    import lxml.etree as etree

    try:
        return etree.fromstring(skeleton, safe_xml.parser())
    except etree.XMLSyntaxError as error:
        raise MalformedXml(
            "ENV-NOT-XML", f"the skeleton of the envelope cannot be read: {error}", step=3
        ) from error


def _schema_for(header: etree._Element | None) -> str:
    """A MessageHeader with StatusCode is a status (edxml.md 3)."""
    return DOCUMENT if _find(header, "MessageHeader", "StatusCode") is None else STATUS


def _find(element: etree._Element | None, *path: str) -> etree._Element | None:
    for local in path:
        if element is None:
            return None
        element = next(element.iterchildren(f"{{{names.QCVN}}}{local}"), None)
    return element


def _all(element: etree._Element | None, local: str) -> Iterable[etree._Element]:
    return () if element is None else element.iterchildren(f"{{{names.QCVN}}}{local}")


def _text(element: etree._Element | None, *path: str) -> str:
    found = _find(element, *path)
    return "" if found is None else (found.text or "").strip(XML_SPACE)


def _beyond(root: etree._Element, header: etree._Element | None) -> list[SchemaProblem]:
    found = [*_dates(root), *_receivers(header)]
    business = _find(header, "TraceHeaderList", "Bussiness")
    if business is not None:
        found += _operation(business)
    return found


_DATE_ALONE = len("yyyy/MM/dd")
_DATED = tuple(f"{{{names.QCVN}}}{local}" for local in ("PromulgationDate", "DueDate", "Timestamp"))


def _dates(root: etree._Element) -> list[SchemaProblem]:
    """The form is the schema's; here, whether there is such a day."""
    wrong = [element for element in root.iter(*_DATED) if (text := element.text) and not _is_there(text)]
    wrong.sort(key=lambda element: _DATED.index(str(element.tag)))
    return [
        problem_at(element, "date", f"{_local_name(element)} names a day or time that does not exist")
        for element in wrong
    ]


def _is_there(text: str) -> bool:
    """A time, or what has the length of a date alone, which is sooner seen."""
    read = dialects.read_date if len(text) == _DATE_ALONE else dialects.read_time
    return read(text)[0] is not None


def _receivers(header: etree._Element | None) -> Iterator[SchemaProblem]:
    seen: set[str] = set()
    for receiver in _all(_find(header, "MessageHeader"), "To"):
        code = _text(receiver, "OrganId").upper()
        if code and code in seen:
            yield problem_at(receiver, "receiver", "this agency stands in To before; name each receiver once")
        seen.add(code)


def _operation(business: etree._Element) -> Iterator[SchemaProblem]:
    """What each operation must carry (edxml.md 2.4), and what belongs to another one."""
    number = _text(business, "BussinessDocType")
    needed = {
        "1": ("BussinessDocReason",),
        "2": ("DocumentId", "BussinessDocumentInfo"),
        "3": ("ReplacementInfoList",),
    }.get(number, ())
    for local in needed:
        if _find(business, local) is None:
            yield problem_at(
                business, "operation", f"operation {number} must carry {local}, which is missing"
            )
    for local, owner in (("BussinessDocumentInfo", "2"), ("ReplacementInfoList", "3")):
        found = _find(business, local)
        if found is not None and number != owner:
            yield problem_at(
                found, "operation", f"{local} belongs to operation {owner} and this is {number or 'none'}"
            )


def _names_each_once(model: Envelope) -> bool:
    """As `_receivers`."""
    return len(model.to) < 2 or len({(to.organ_id or "").upper() for to in model.to}) == len(model.to)


def _is_whole(business: Business | None) -> bool:
    """As `_operation`."""
    if business is None:
        return True
    number, info, replaced = business.doc_type, business.document_info, business.replacements
    needed = {1: (business.reason,), 2: (business.document_id, info), 3: (replaced or None,)}
    is_misplaced = (info is not None and number != 2) or (bool(replaced) and number != 3)
    return not is_misplaced and None not in needed.get(number or 0, ())


MOST_SKELETON_ELEMENTS = 200_000
_HARMLESS = dialects.KNOWN_ATTRIBUTES - {("edXMLManifest", "", "version")}
_MAY_BE_EMPTY = frozenset({"ContentTransferEncoded", "Signature", "edXMLManifest", "AttachmentEncoded"})
_FILE_PATH = ("edXML", "AttachmentEncoded", "Attachment", "ContentTransferEncoded")


def skeleton(pieces: Iterable[bytes], limits: EnvelopeLimits, *, liberal: bool = False) -> bytes:
    """The skeleton of a whole file. `liberal` is for envelopes that we did not write: order has no meaning there and
    an empty element is an absent one (edxml.md 2.2, 11), so siblings come in the writer's order and blanks go."""
    builder = _Builder(limits)
    parse.parse(pieces, builder, limits, Notes())
    if builder.root is None:
        raise MalformedXml("ENV-NOT-XML", "the file has no element", step=3)
    if liberal:
        _arrange(builder.root, names.ROOT)
    return b"".join(_written(builder.root, ""))


@dataclass(slots=True)
class _Kept:
    """One element: text and children in order, so that line breaks stay where they were."""

    ns: str
    local: str
    attributes: list[tuple[str, str]]
    content: list[_Kept | str] = field(default_factory=list)

    @property
    def children(self) -> list[_Kept]:
        return [item for item in self.content if isinstance(item, _Kept)]


class _Builder:
    """Takes the events of `parse`."""

    def __init__(self, limits: EnvelopeLimits) -> None:
        self.root: _Kept | None = None
        self._limits = limits
        self._open: list[_Kept] = []
        self._silent = 0
        self._elements = 0
        self._text = 0

    def start(self, ns: str, local: str, attrs: Sequence[tuple[str, str, str]]) -> None:
        self._elements += 1
        if self._elements > MOST_SKELETON_ELEMENTS:
            raise MalformedXml("ENV-LIMIT", f"more than {MOST_SKELETON_ELEMENTS} elements", step=3)
        if self._silent:
            self._silent += 1
            return
        # attributes of other namespaces (xsi, xlink) say nothing to us and are a finding of the reader's
        made = _Kept(ns, local, sorted((name, value) for space, name, value in attrs if not space))
        if self._open:
            self._open[-1].content.append(made)
        else:
            self.root = made
        self._open.append(made)
        if (ns, local) == (names.DS, "Signature"):
            made.attributes = []
            self._silent = 1
        elif len(self._open) == len(_FILE_PATH) and tuple(one.local for one in self._open) == _FILE_PATH:
            self._silent = 1

    def data(self, text: str, offset: int) -> None:
        if self._silent or not self._open:
            return
        self._text += len(text)
        if self._text > self._limits.text_total:
            detail = f"the text outside attachments is longer than {self._limits.text_total} characters"
            raise MalformedXml("ENV-LIMIT", detail, step=3)
        self._open[-1].content.append(text)

    def end(self, offset: int) -> None:
        if self._silent > 1:
            self._silent -= 1
            return
        self._silent = 0
        self._open.pop()


def _arrange(kept: _Kept, known: Element) -> None:
    """Stable, in the order of the closed table; what the table does not know goes last and fails there."""
    children = {child.local: (place, child) for place, child in enumerate(known.children.values())}
    unknown = len(children)
    kept.attributes = [
        (name, value) for name, value in kept.attributes if (kept.local, "", name) not in _HARMLESS
    ]
    for child in kept.children:
        if child.ns == names.QCVN and child.local in children:
            _arrange(child, children[child.local][1])
    if known.leaf:
        return
    texts = [item for item in kept.content if isinstance(item, str) and item.strip(XML_SPACE)]
    full = [child for child in kept.children if not _blank(child)]
    full.sort(key=lambda child: children[child.local][0] if child.local in children else unknown)
    kept.content = [*texts, *full]


def _blank(kept: _Kept) -> bool:
    if kept.local in _MAY_BE_EMPTY or kept.children:
        return False
    return not any(isinstance(item, str) and item.strip(XML_SPACE) for item in kept.content)


def _written(kept: _Kept, scope: str) -> Iterator[bytes]:
    name = kept.local.encode()
    declaration = b"" if kept.ns == scope else b' xmlns="' + escape_attribute(kept.ns) + b'"'
    attributes = b"".join(
        b" " + key.encode() + b'="' + escape_attribute(value) + b'"' for key, value in kept.attributes
    )
    yield b"<" + name + declaration + attributes + b">"
    for item in kept.content:
        if isinstance(item, str):
            yield escape(item)
        else:
            yield from _written(item, kept.ns)
    yield b"</" + name + b">"
