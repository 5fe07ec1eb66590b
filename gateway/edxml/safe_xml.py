"""Parses XML of unknown origin with lxml, as the only module that does: bytes in, a tree out, or MalformedXml. Two
parsers must accept: first expat, which sees every forbidden construct and every limit (G1, G2), then a hardened libxml2
with no DTD, entity, network or recovery. Comments and PIs stay in the tree so that they are seen. Pure."""

from __future__ import annotations

import codecs
import re
from functools import partial
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from gateway.errors import MalformedXml

if TYPE_CHECKING:
    from lxml import etree

    from gateway.edxml.policy import EnvelopeLimits

_PIECE = 256 * 1024
# A complete start tag; a `>` may occur inside a value.
_TAG = re.compile(rb"""<[^>"']*(?:(?:"[^"]*"|'[^']*')[^>"']*)*>""")
_SIGNATURE_END: Final = re.compile(rb"</[^>]*>")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")

# G2 (forbidden constructs): a comment inside these could cut a value in two that another reader reads whole.
_COMMENT_FREE = frozenset({"edXMLHeader", "MessageHeader", "TraceHeaderList", "Signature"})
# Elements that hold a file below an `Attachment`, in any dialect: their text has no limit of its own.
_FILE_TEXT = frozenset({"ContentTransferEncoded", "AttachmentData", "Content"})

_UNDEFINED_ENTITY: Final = 11  # expat's XML_ERROR_UNDEFINED_ENTITY


def parser(*, huge_tree: bool = True) -> etree.XMLParser:
    """Make a hardened libxml2 parser for one call, as parsers keep state. `huge_tree` needs input of limited size."""
    import lxml.etree as etree  # imported with the first envelope, so that an idle node does not hold it

    return etree.XMLParser(
        encoding="UTF-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=huge_tree,
        remove_comments=False,
        remove_pis=False,
        collect_ids=False,
        recover=False,
    )


def parse(raw: bytes, limits: EnvelopeLimits) -> etree._Element:
    """Return the root of a whole file that both parsers accept; byte offsets in errors count from the file's start."""
    if len(raw) > limits.general_max_bytes:
        raise MalformedXml(
            "ENV-TOO-LARGE",
            f"the file has {len(raw)} bytes; one that is not in native form may have {limits.general_max_bytes}",
            step=1,
        )
    _check_encoding(raw)
    _Scan(limits).run(raw)
    import lxml.etree as etree

    try:
        return etree.fromstring(raw, parser())
    except (etree.XMLSyntaxError, ValueError) as why:
        raise MalformedXml("ENV-NOT-XML", f"libxml2 refuses what expat takes: {why}", step=3) from why


def _check_encoding(raw: bytes) -> None:
    """Check step 2: UTF-8 with or without a byte order mark, and no beginning like UTF-16 or UTF-32."""
    if raw.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)) or b"\0" in raw[:4]:
        raise MalformedXml("ENV-ENCODING", "the file begins like UTF-16 or UTF-32; expected UTF-8", step=2)
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as why:
        raise MalformedXml(
            "ENV-ENCODING",
            f"byte {why.start} is not UTF-8: {why.reason}",
            step=2,
            location=f"byte {why.start}",
        ) from why


class _Scan:
    """One expat pass that builds nothing, and refuses at the first forbidden construct or exceeded limit."""

    def __init__(self, limits: EnvelopeLimits) -> None:
        self._limits = limits
        self._path: list[str] = []
        self._text: list[int] = []
        self._in_file = False
        self._total = 0
        self._data = b""
        self._declared = 0
        self._attachments = 0
        self._recipients = 0
        self._nodes = 0
        self._attributes = 0
        self._signature_from: int | None = None
        self._guarded = 0
        self._parser = self._make_parser()

    def run(self, raw: bytes) -> None:
        self._data = raw
        try:
            for at in range(0, len(raw), _PIECE):
                self._parser.Parse(raw[at : at + _PIECE], False)
            self._parser.Parse(b"", True)
        except expat.ExpatError as why:
            code = "ENV-FORBIDDEN" if why.code == _UNDEFINED_ENTITY else "ENV-NOT-XML"
            at = self._parser.ErrorByteIndex
            raise MalformedXml(
                code, f"byte {at}: {expat.ErrorString(why.code)}", step=3, location=f"byte {at}"
            ) from why

    def _make_parser(self) -> expat.XMLParserType:
        driver = expat.ParserCreate("UTF-8", namespace_separator=" ")
        driver.ordered_attributes = True
        driver.buffer_text = True
        driver.XmlDeclHandler = self._declaration
        driver.StartDoctypeDeclHandler = partial(self._forbid, "a document type declaration")
        driver.EntityDeclHandler = driver.SkippedEntityHandler = partial(self._forbid, "an entity")
        instruction = "a processing instruction, which the signed form would keep"
        driver.ProcessingInstructionHandler = partial(self._forbid, instruction)
        driver.CommentHandler = self._comment
        driver.StartNamespaceDeclHandler = self._namespace
        driver.StartElementHandler = self._start
        driver.EndElementHandler = self._end
        driver.CharacterDataHandler = self._characters
        return driver

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if version != "1.0":
            raise self._refusal("ENV-NOT-XML", f"XML version {version!r}; expected 1.0")
        if encoding is not None and encoding.upper() != "UTF-8":
            raise self._refusal("ENV-ENCODING", f"declared encoding {encoding!r}; expected UTF-8", step=2)

    def _forbid(self, construct: str, *_: object) -> None:
        raise self._refusal("ENV-FORBIDDEN", construct)

    def _comment(self, text: str) -> None:
        self._count_node()
        if self._guarded:
            raise self._refusal("ENV-FORBIDDEN", "a comment in the envelope's header or in a signature")

    def _namespace(self, prefix: str | None, uri: str | None) -> None:
        self._declared += len(prefix or "") + len((uri or "").encode())
        self._check_tag(self._declared)
        self._count_attributes(1)
        if uri and not _SCHEME.match(uri):
            raise self._refusal(
                "ENV-FORBIDDEN", "a relative namespace URI: canonical form may lose the element"
            )

    def _start(self, name: str, attributes: list[str]) -> None:
        local = name.rpartition(" ")[2]
        self._declared = 0
        self._check_tag(self._tag_length(_TAG))
        self._count_attributes(len(attributes) // 2)
        self._count(local)
        self._path.append(local)
        self._text.append(0)
        if len(self._path) > self._limits.general_depth:
            raise self._refusal("ENV-LIMIT", f"nesting deeper than {self._limits.general_depth}")
        self._guarded += local in _COMMENT_FREE
        self._in_file = self._path[-2:-1] == ["Attachment"] and local in _FILE_TEXT
        if local == "Signature" and self._signature_from is None:
            self._signature_from = self._parser.CurrentByteIndex

    def _end(self, name: str) -> None:
        local = self._path.pop()
        self._text.pop()
        self._guarded -= local in _COMMENT_FREE
        self._in_file = False
        if self._signature_from is not None:
            size = self._parser.CurrentByteIndex + self._tag_length(_SIGNATURE_END) - self._signature_from
            if size > self._limits.signature_bytes:
                raise self._refusal(
                    "ENV-LIMIT", f"a Signature of more than {self._limits.signature_bytes} bytes"
                )
            if "Signature" not in self._path:
                self._signature_from = None

    def _characters(self, text: str) -> None:
        if self._in_file or not self._text:
            return
        size = len(text.encode())
        self._text[-1] += size
        self._total += size
        if self._text[-1] > self._limits.text_bytes and "Signature" not in self._path:
            raise self._refusal("ENV-LIMIT", f"a text of more than {self._limits.text_bytes} bytes")
        if self._total > self._limits.text_total:
            raise self._refusal("ENV-LIMIT", f"texts of more than {self._limits.text_total} bytes together")

    def _count_attributes(self, count: int) -> None:
        self._attributes += count
        if self._attributes > self._limits.general_attributes:
            raise self._refusal("ENV-LIMIT", f"more than {self._limits.general_attributes} attributes")

    def _count_node(self) -> None:
        self._nodes += 1
        if self._nodes > self._limits.general_nodes:
            raise self._refusal("ENV-LIMIT", f"more than {self._limits.general_nodes} elements and comments")

    def _count(self, local: str) -> None:
        self._count_node()
        self._attachments += local == "Attachment"
        self._recipients += local == "To"
        if self._attachments > self._limits.attachments:
            raise self._refusal("ENV-LIMIT", f"more than {self._limits.attachments} attachments")
        if self._recipients > self._limits.recipients:
            raise self._refusal("ENV-LIMIT", f"more than {self._limits.recipients} recipients")

    def _tag_length(self, form: re.Pattern[bytes]) -> int:
        """Return the length in bytes of the tag at the parser's position."""
        match = form.match(self._data, self._parser.CurrentByteIndex)
        return len(match.group()) if match else 0

    def _check_tag(self, size: int) -> None:
        if size > self._limits.name_bytes:
            raise self._refusal("ENV-LIMIT", f"a start tag of more than {self._limits.name_bytes} bytes")

    def _refusal(self, code: str, problem: str, *, step: int = 3) -> MalformedXml:
        place = f"byte {self._parser.CurrentByteIndex}"
        return MalformedXml(code, f"{place}: {problem}", step=step, location=place)
