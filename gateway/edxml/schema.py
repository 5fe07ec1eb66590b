"""Checks whether an envelope keeps the written form of dialect A. In: a skeleton, or a tree that a reader already holds.
Out: None, or the problems, each with its place and a sentence that names the element and the expected form, and never
quotes a value, because logs must not hold the content of documents. `holds` and `check` are fast and run for every
packet; `explain` is slow, for a packet that failed. Rules that XSD 1.0 cannot express, the contents of each operation,
are code here. The schemas are this program's own files, compiled with the first packet; `check_files` stops a start
where one is missing.

`skeleton` reduces an envelope, native or not, to the schema's input: the same elements in one namespace form, without
attachment bodies and the inside of a Signature, a few kilobytes however large the file. One streaming pass, without
judgement."""

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
DOCUMENT = "edxml-document.xsd"
STATUS = "edxml-status.xsd"
TYPES = "edxml-types.xsd"
_HEADER = ("edXMLEnvelope", "edXMLHeader")
_MOST_PROBLEMS = 100
_COMPILING = threading.Lock()
_DATE_ALONE = len("yyyy/MM/dd")
_DATED = tuple(f"{{{names.QCVN}}}{local}" for local in ("PromulgationDate", "DueDate", "Timestamp"))
MOST_SKELETON_ELEMENTS = 200_000
_HARMLESS = dialects.KNOWN_ATTRIBUTES - {("edXMLManifest", "", "version")}
_MAY_BE_EMPTY = frozenset({"ContentTransferEncoded", "Signature", "edXMLManifest", "AttachmentEncoded"})
_FILE_PATH = ("edXML", "AttachmentEncoded", "Attachment", "ContentTransferEncoded")


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaProblem:
    """One departure from the form. `line` counts lines of the skeleton, which up to the attachments are those of the
    file; None when the file is one line. `label_key` is the key of its label on a clerk's page."""

    path: str
    line: int | None
    rule: str
    sentence: str

    @property
    def label_key(self) -> str:
        return f"schema.{self.rule}"


def problem_at(element: etree._Element, rule: str, sentence: str) -> SchemaProblem:
    """Return a problem of one element."""
    line = cast("int | None", element.sourceline)  # the stubs give it no type
    return SchemaProblem(path=_path(element), line=line, rule=rule, sentence=sentence)


def problem_of_error(error: Any) -> SchemaProblem:  # xmlschema ships no types
    """Return one error of `iter_errors` as a problem."""
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
    expected = _names_of(error.expected or ())
    child: etree._Element | None = error.invalid_child
    if child is None:
        return problem_at(element, "missing", f"{parent} lacks {expected or 'an element'}")
    child_name = _local_name(child)
    if expected and any(p.min_occurs for p in error.expected):
        return problem_at(child, "missing", f"{parent} lacks {expected}; {child_name} stands in its place")
    return problem_at(child, "unexpected", f"{child_name} may not stand here in {parent}")


def _names_of(particles: Iterable[Any]) -> str:
    return " or ".join(sorted({str(particle.local_name) for particle in particles if particle.local_name}))


def _local_name(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _path(element: etree._Element) -> str:
    steps = [_step(element), *map(_step, element.iterancestors())]
    return "/" + "/".join(reversed(steps))


def _step(element: etree._Element) -> str:
    preceding = sum(1 for _ in element.itersiblings(element.tag, preceding=True))
    following = next(element.itersiblings(element.tag), None)
    local = _local_name(element)
    return f"{local}[{preceding + 1}]" if preceding or following is not None else local


def holds(root: etree._Element, usual: Envelope | None = None) -> bool:
    """Tell whether a tree keeps the form; it may lack the files' octets and the inside of the Signature. `usual` is the
    model read from it, where nothing was unusual: then all its dates exist."""
    if usual is not None:
        name = DOCUMENT if usual.status is None else STATUS
        return compiled(name).validate(root) and _has_distinct_receivers(usual) and _is_whole(usual.business)
    header = _find(root, *_HEADER)
    return compiled(_schema_for(header)).validate(root) and not _extra_problems(root, header)


def check(skeleton: bytes) -> list[SchemaProblem] | None:
    """Return None for a good skeleton, else its problems: libxml2 gives the verdict, the slow `explain` the texts."""
    return None if holds(_root(skeleton)) else explain(skeleton)


def explain(skeleton: bytes) -> list[SchemaProblem]:
    """Return all problems, at most a hundred from the schema, each in words; empty when `check` finds none."""
    root = _root(skeleton)
    header = _find(root, *_HEADER)
    name = _schema_for(header)
    errors = _slow(name).iter_errors(root)
    problems = [problem_of_error(error) for error in itertools.islice(errors, _MOST_PROBLEMS)]
    problems = list(dict.fromkeys([*problems, *_extra_problems(root, header)]))
    if not problems and not compiled(name).validate(root):
        sentence = "the two schema validators do not agree; the stricter one refuses this envelope"
        return [SchemaProblem(path="/edXML", line=None, rule="form", sentence=sentence)]
    if b"\n" not in skeleton:  # our own files are one line, whose number would say nothing
        problems = [replace(problem, line=None) for problem in problems]
    return problems


def check_files() -> None:
    """Raise Misconfigured where a schema file is missing, at the start instead of at the first packet."""
    for name in (DOCUMENT, STATUS, TYPES):
        if not (path := folder() / name).is_file():
            raise Misconfigured(f"the schema {path} is missing", hint="install the program again")


def folder() -> Path:
    """Return the schemas' folder: inside the installed package, or beside it in the source tree."""
    inside = Path(__file__).with_name("xsd")
    return inside if inside.is_dir() else Path(__file__).parents[2] / "schemas"


@functools.cache
def compiled(name: str) -> etree.XMLSchema:
    """Compile a fast schema on first use."""
    import lxml.etree as etree

    # lxml builds the types of all schemas with the first one, and two threads at once corrupt them.
    with _COMPILING:
        return etree.XMLSchema(etree.parse(folder() / name, safe_xml.parser()))


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
    """Return the schema's name: a MessageHeader with StatusCode is a status."""
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
    leaf = _find(element, *path)
    return "" if leaf is None else (leaf.text or "").strip(XML_SPACE)


def _extra_problems(root: etree._Element, header: etree._Element | None) -> list[SchemaProblem]:
    problems = [*_impossible_dates(root), *_repeated_receivers(header)]
    business = _find(header, "TraceHeaderList", "Bussiness")
    if business is not None:
        problems += _operation_problems(business)
    return problems


def _impossible_dates(root: etree._Element) -> list[SchemaProblem]:
    """Return problems of dates that do not exist; the schema itself checks their form."""
    wrong = [element for element in root.iter(*_DATED) if (text := element.text) and not _is_real(text)]
    wrong.sort(key=lambda element: _DATED.index(str(element.tag)))
    return [
        problem_at(element, "date", f"{_local_name(element)} names a day or time that does not exist")
        for element in wrong
    ]


def _is_real(text: str) -> bool:
    """Tell whether a date or time exists; a text of a date's length is read as a date, which is faster."""
    read = dialects.read_date if len(text) == _DATE_ALONE else dialects.read_time
    return read(text)[0] is not None


def _repeated_receivers(header: etree._Element | None) -> Iterator[SchemaProblem]:
    codes: set[str] = set()
    for receiver in _all(_find(header, "MessageHeader"), "To"):
        code = _text(receiver, "OrganId").upper()
        if code and code in codes:
            yield problem_at(receiver, "receiver", "this agency stands in To before; name each receiver once")
        codes.add(code)


def _operation_problems(business: etree._Element) -> Iterator[SchemaProblem]:
    """Yield problems of elements that the operation lacks, or that belong to another one."""
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
        part = _find(business, local)
        if part is not None and number != owner:
            yield problem_at(
                part, "operation", f"{local} belongs to operation {owner} and this is {number or 'none'}"
            )


def _has_distinct_receivers(model: Envelope) -> bool:
    """Check receivers as `_repeated_receivers` does, on a model instead of a tree."""
    return len(model.to) < 2 or len({(to.organ_id or "").upper() for to in model.to}) == len(model.to)


def _is_whole(business: Business | None) -> bool:
    """Check the operation as `_operation_problems` does, on a model instead of a tree."""
    if business is None:
        return True
    number, info, replaced = business.doc_type, business.document_info, business.replacements
    needed = {1: (business.reason,), 2: (business.document_id, info), 3: (replaced or None,)}
    is_misplaced = (info is not None and number != 2) or (bool(replaced) and number != 3)
    return not is_misplaced and None not in needed.get(number or 0, ())


def skeleton(pieces: Iterable[bytes], limits: EnvelopeLimits, *, liberal: bool = False) -> bytes:
    """Return the skeleton of a whole file. `liberal` is for envelopes that we did not write: order means nothing in them
    and an empty element is an absent one, so siblings are sorted into the writer's order and blank ones dropped."""
    builder = _Builder(limits)
    parse.parse(pieces, builder, limits, Notes())
    if builder.root is None:
        raise MalformedXml("ENV-NOT-XML", "the file has no element", step=3)
    if liberal:
        _arrange(builder.root, names.ROOT)
    return b"".join(_render(builder.root, ""))


@dataclass(slots=True)
class _Node:
    """One element, with texts and children in order, so that line breaks stay where they were."""

    ns: str
    local: str
    attributes: list[tuple[str, str]]
    content: list[_Node | str] = field(default_factory=list)

    @property
    def children(self) -> list[_Node]:
        return [part for part in self.content if isinstance(part, _Node)]


class _Builder:
    """Receiver of `parse` events that builds the skeleton's tree."""

    def __init__(self, limits: EnvelopeLimits) -> None:
        self.root: _Node | None = None
        self._limits = limits
        self._open: list[_Node] = []
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
        # Attributes of other namespaces (xsi, xlink) mean nothing here; the reader reports them.
        node = _Node(ns, local, sorted((name, value) for space, name, value in attrs if not space))
        if self._open:
            self._open[-1].content.append(node)
        else:
            self.root = node
        self._open.append(node)
        if (ns, local) == (names.DS, "Signature"):
            node.attributes = []
            self._silent = 1
        elif len(self._open) == len(_FILE_PATH) and tuple(n.local for n in self._open) == _FILE_PATH:
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


def _arrange(node: _Node, table: Element) -> None:
    """Sort children into the closed table's order, dropping blank ones; elements unknown to it go last, where they fail."""
    children = {child.local: (place, child) for place, child in enumerate(table.children.values())}
    unknown = len(children)
    node.attributes = [
        (name, value) for name, value in node.attributes if (node.local, "", name) not in _HARMLESS
    ]
    for child in node.children:
        if child.ns == names.QCVN and child.local in children:
            _arrange(child, children[child.local][1])
    if table.leaf:
        return
    texts = [part for part in node.content if isinstance(part, str) and part.strip(XML_SPACE)]
    full = [child for child in node.children if not _blank(child)]
    full.sort(key=lambda child: children[child.local][0] if child.local in children else unknown)
    node.content = [*texts, *full]


def _blank(node: _Node) -> bool:
    if node.local in _MAY_BE_EMPTY or node.children:
        return False
    return not any(isinstance(part, str) and part.strip(XML_SPACE) for part in node.content)


def _render(node: _Node, scope: str) -> Iterator[bytes]:
    name = node.local.encode()
    declaration = b"" if node.ns == scope else b' xmlns="' + escape_attribute(node.ns) + b'"'
    attributes = b"".join(
        b" " + key.encode() + b'="' + escape_attribute(value) + b'"' for key, value in node.attributes
    )
    yield b"<" + name + declaration + attributes + b">"
    for part in node.content:
        if isinstance(part, str):
            yield escape(part)
        else:
            yield from _render(part, node.ns)
    yield b"</" + name + b">"
