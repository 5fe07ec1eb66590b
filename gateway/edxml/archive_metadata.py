"""Writes and reads the metadata of a submission package (E-ARK CSIP and SIP 2, METS 1.12, PREMIS 3; records described by
the fields of decree 30/2020). In: facts, documents and files of a package. Out: XML, written piece by piece, so that memory
does not grow with it, and always the same for the same values; of a foreign METS or description what it says. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from gateway.domain.archive_package import (
    DESCRIPTION,
    METS,
    PART,
    PRESERVATION,
    README,
    SCHEMA,
    Fields,
    PackageDocument,
    PackageFacts,
    PackageFile,
)
from gateway.edxml import safe_xml
from gateway.errors import MalformedXml

if TYPE_CHECKING:
    from lxml import etree

_XLINK: Final = "http://www.w3.org/1999/xlink"
_CSIP: Final = "https://DILCIS.eu/XML/METS/CSIPExtensionMETS"
_METS: Final = "http://www.loc.gov/METS/"
_PREMIS: Final = "http://www.loc.gov/premis/v3"
_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
RECORDS: Final = "urn:gateway:archive-records:1"
_PREFIXES: Final[Mapping[str, Mapping[str | None, str]]] = {
    _METS: {"mets": _METS, "csip": _CSIP, "xlink": _XLINK},
    _PREMIS: {"premis": _PREMIS, "xsi": _XSI},
    RECORDS: {None: RECORDS},
}
_SIP = "https://earksip.dilcis.eu/profile/E-ARK-SIP.xml"
_BASE = "https://earkcsip.dilcis.eu/profile/E-ARK-CSIP.xml"
_LINK: Final = {"LOCTYPE": "URL", f"{{{_XLINK}}}type": "simple"}
_LABEL = "Representations/rep1"
_SUBMISSION: Final = {f"{{{_CSIP}}}OAISPACKAGETYPE": "SIP"}
_OWN: Final = ("documentation", "Documentation", README), ("schemas", "Schemas", SCHEMA)
_MIXED: Final = {f"{{{_CSIP}}}CONTENTINFORMATIONTYPE": "MIXED"}
# Characters that XML cannot have; a title may have come with one.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class XmlNode:
    """Element to be written: its name without namespace, attributes, and its text or its children."""

    name: str
    attributes: Mapping[str, str]
    content: str | Iterable[XmlNode] = ""


def write_description(out: BinaryIO, facts: PackageFacts, documents: Iterable[PackageDocument]) -> None:
    """Write the description of a file of records and of the documents in it."""
    _write(out, RECORDS, XmlNode("ArchiveRecords", {"package": facts.id}, _records(facts, documents)))


def write_preservation(out: BinaryIO, facts: PackageFacts, files: Sequence[PackageFile]) -> None:
    """Write PREMIS: an object for each file, or for the whole package where there are none, and how they were packed."""
    _write(out, _PREMIS, XmlNode("premis", {"version": "3.0"}, _premis(facts, files)))


def write_package_mets(out: BinaryIO, facts: PackageFacts, files: Mapping[str, PackageFile]) -> None:
    """Write the METS of a package: its own files by path, among them the METS of its one representation."""
    part = files[f"{PART}/{METS}"]
    part_group = {"ID": "group-rep1", "USE": _LABEL, **_MIXED}
    groups = [
        *(
            XmlNode("fileGrp", {"ID": f"group-{id}", "USE": use}, [_file(id, files[path], facts)])
            for id, use, path in _OWN
        ),
        XmlNode("fileGrp", part_group, [_file("rep1-mets", part, facts)]),
    ]
    pointer = {**_LINK, f"{{{_XLINK}}}href": part.path, f"{{{_XLINK}}}title": "group-rep1"}
    places = [
        XmlNode("div", {"ID": "div-metadata", "LABEL": "Metadata", "ADMID": "premis", "DMDID": "records"}),
        *(
            XmlNode("div", {"ID": f"div-{id}", "LABEL": use}, [XmlNode("fptr", {"FILEID": f"group-{id}"})])
            for id, use, _ in _OWN
        ),
        XmlNode("div", {"ID": "div-rep1", "LABEL": _LABEL}, [XmlNode("mptr", pointer)]),
    ]
    described = {"ID": "records", "CREATED": _moment(facts), "STATUS": "CURRENT"}
    sections = [
        XmlNode("dmdSec", described, [_reference(files[DESCRIPTION], facts, "OTHER", "ARCHIVE-RECORDS")]),
        *_sections(facts, files[PRESERVATION], groups, facts.id, places, ""),
    ]
    _write(out, _METS, _mets(facts, facts.id, _SIP, sections))


def write_part_mets(
    out: BinaryIO, facts: PackageFacts, preservation: PackageFile, documents: Sequence[PackageDocument]
) -> None:
    """Write the METS of the representation, with a division for each document."""
    numbered = [
        (f"f{n:05}-{i:02}", file)
        for n, document in enumerate(documents, start=1)
        for i, file in enumerate(document.files, start=1)
    ]
    data = (_file(id, file, facts, f"{PART}/") for id, file in numbered)
    # A group without a file is not allowed: a file of records may have letters on paper alone.
    groups = [XmlNode("fileGrp", {"ID": "group-data", "USE": "Data"}, data)] if numbered else []
    places = [
        XmlNode("div", {"ID": "div-metadata", "LABEL": "Metadata", "ADMID": "premis"}),
        XmlNode("div", {"ID": "div-data", "LABEL": "Data"}, _divisions(documents)),
    ]
    sections = _sections(facts, preservation, groups, "rep1", places, f"{PART}/")
    _write(out, _METS, _mets(facts, "rep1", _BASE, sections))


def read_mets(raw: bytes) -> Sequence[PackageFile]:
    """Return the files that a METS names, each as stated there. MalformedXml for other bytes."""
    files = []
    for element in _parse(raw).iter(f"{{{_METS}}}file", f"{{{_METS}}}mdRef"):
        place = element if element.tag == f"{{{_METS}}}mdRef" else element.find(f"{{{_METS}}}FLocat")
        href = "" if place is None else place.get(f"{{{_XLINK}}}href", "")
        size = element.get("SIZE", "")
        if element.get("CHECKSUMTYPE") != "SHA-256" or not size.isdecimal() or not href:
            raise _refusal("a file of the METS has no place, size or SHA-256")
        files.append(PackageFile(path=href, sha256=element.get("CHECKSUM", ""), size=int(size)))
    return files


def read_description(raw: bytes) -> tuple[int, int, Sequence[PackageFile]]:
    """Return how many documents a description states, how many it has, and their files. MalformedXml for other bytes."""
    root, name = _parse(raw), f"{{{RECORDS}}}"
    total = root.findtext(f"{name}File/{name}DocTotal", "")
    if not total.isdecimal():
        raise _refusal("the description names no number of documents")
    files = [
        PackageFile(path=file.get("path", ""), sha256=file.get("sha256", ""), name=file.get("name", ""))
        for file in root.iter(f"{name}Content")
    ]
    return int(total), len(root.findall(f"{name}Document")), files


def _write(out: BinaryIO, namespace: str, root: XmlNode) -> None:
    import lxml.etree as etree  # most processes never make a package

    with etree.xmlfile(out, encoding="UTF-8") as xml:
        xml.write_declaration()
        _write_node(xml, namespace, root, _PREFIXES[namespace])


def _write_node(
    xml: etree._IncrementalFileWriter,
    namespace: str,
    node: XmlNode,
    prefixes: Mapping[str | None, str] | None,
) -> None:
    attributes = {name: _clean(text) for name, text in node.attributes.items()}
    with xml.element(f"{{{namespace}}}{node.name}", attributes, nsmap=prefixes):
        if isinstance(node.content, str):
            xml.write(_clean(node.content))
            return
        for child in node.content:
            xml.write("\n")
            _write_node(xml, namespace, child, None)
        xml.write("\n")


def _clean(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)


def _texts(fields: Fields) -> Iterator[XmlNode]:
    return (XmlNode(name, {}, text) for name, text in fields)


def _records(facts: PackageFacts, documents: Iterable[PackageDocument]) -> Iterator[XmlNode]:
    yield XmlNode("File", {}, _texts(facts.fields))
    for document in documents:
        files = (
            XmlNode(
                "Content", {"path": file.path, "name": file.name, "type": file.media, "sha256": file.sha256}
            )
            for file in document.files
        )
        yield XmlNode("Document", {}, [*_texts(document.fields), *files])


def _premis(facts: PackageFacts, files: Sequence[PackageFile]) -> Iterator[XmlNode]:
    for file in files:
        digest = ("messageDigestAlgorithm", "SHA-256"), ("messageDigest", file.sha256)
        facts_of_file = [
            XmlNode("fixity", {}, _texts(digest)),
            XmlNode("size", {}, str(file.size)),
            XmlNode("format", {}, [XmlNode("formatDesignation", {}, _texts((("formatName", file.media),)))]),
        ]
        parts = [_identifier("object", file.path), XmlNode("objectCharacteristics", {}, facts_of_file)]
        name = [XmlNode("originalName", {}, file.name)] if file.name else []
        yield XmlNode("object", {f"{{{_XSI}}}type": "premis:file"}, [*parts, *name])
    if not files:
        kind = {f"{{{_XSI}}}type": "premis:representation"}
        yield XmlNode("object", kind, [_identifier("object", facts.id)])
    agents = {"organization": (facts.agency, facts.agency_name), "software": (facts.software, facts.software)}
    parts = [
        _identifier("event", f"{facts.id}-packed"),
        *_texts((("eventType", "information package creation"), ("eventDateTime", _moment(facts)))),
        *(_identifier("linkingAgent", id) for id, _ in agents.values()),
    ]
    yield XmlNode("event", {}, parts)
    for kind_of_agent, (id, name_of_agent) in agents.items():
        texts = _texts((("agentName", name_of_agent), ("agentType", kind_of_agent)))
        yield XmlNode("agent", {}, [_identifier("agent", id), *texts])


def _identifier(kind: str, value: str) -> XmlNode:
    fields = (f"{kind}IdentifierType", "local"), (f"{kind}IdentifierValue", value)
    return XmlNode(f"{kind}Identifier", {}, _texts(fields))


def _mets(facts: PackageFacts, id: str, profile: str, sections: Iterable[XmlNode]) -> XmlNode:
    moment = _moment(facts)
    attributes = {"OBJID": id, "LABEL": facts.title, "TYPE": "Mixed", "PROFILE": profile, **_MIXED}
    version = XmlNode("note", {f"{{{_CSIP}}}NOTETYPE": "SOFTWARE VERSION"}, facts.software)
    code = XmlNode("note", {f"{{{_CSIP}}}NOTETYPE": "IDENTIFICATIONCODE"}, facts.agency)
    name = XmlNode("name", {}, facts.agency_name or facts.agency)
    software = {"ROLE": "CREATOR", "TYPE": "OTHER", "OTHERTYPE": "SOFTWARE"}
    agents = [
        XmlNode("agent", software, [XmlNode("name", {}, facts.software), version]),
        XmlNode("agent", {"ROLE": "ARCHIVIST", "TYPE": "ORGANIZATION"}, [name, code]),
        XmlNode("agent", {"ROLE": "CREATOR", "TYPE": "ORGANIZATION"}, [name]),
    ]
    header = {"CREATEDATE": moment, "LASTMODDATE": moment, "RECORDSTATUS": "NEW", **_SUBMISSION}
    return XmlNode("mets", attributes, [XmlNode("metsHdr", header, agents), *sections])


def _sections(
    facts: PackageFacts,
    preservation: PackageFile,
    groups: Sequence[XmlNode],
    label: str,
    places: Sequence[XmlNode],
    base: str,
) -> Iterator[XmlNode]:
    """Yield administrative metadata, the groups of files, and the map of both."""
    reference = _reference(preservation, facts, "PREMIS", "", base)
    yield XmlNode("amdSec", {}, [XmlNode("digiprovMD", {"ID": "premis", "STATUS": "CURRENT"}, [reference])])
    if groups:
        yield XmlNode("fileSec", {"ID": "files"}, groups)
    top = XmlNode("div", {"ID": "div-top", "LABEL": label}, places)
    yield XmlNode("structMap", {"ID": "map", "TYPE": "PHYSICAL", "LABEL": "CSIP"}, [top])


def _divisions(documents: Sequence[PackageDocument]) -> Iterator[XmlNode]:
    for n, document in enumerate(documents, start=1):
        fields = dict(document.fields)
        code = "/".join(fields[name] for name in ("CodeNumber", "CodeNotation") if fields.get(name))
        pointers = [XmlNode("fptr", {"FILEID": f"f{n:05}-{i:02}"}) for i in range(1, len(document.files) + 1)]
        yield XmlNode("div", {"ID": f"document{n:05}", "LABEL": f"{n} {code}".strip()}, pointers)


def _file(id: str, file: PackageFile, facts: PackageFacts, base: str = "") -> XmlNode:
    place = XmlNode("FLocat", {**_LINK, f"{{{_XLINK}}}href": file.path.removeprefix(base)})
    return XmlNode("file", {"ID": id, **_measures(file, facts)}, [place])


def _reference(file: PackageFile, facts: PackageFacts, kind: str, other: str, base: str = "") -> XmlNode:
    place = {**_LINK, f"{{{_XLINK}}}href": file.path.removeprefix(base), "MDTYPE": kind}
    return XmlNode("mdRef", {**place, **({"OTHERMDTYPE": other} if other else {}), **_measures(file, facts)})


def _measures(file: PackageFile, facts: PackageFacts) -> dict[str, str]:
    digest = {"CHECKSUM": file.sha256, "CHECKSUMTYPE": "SHA-256"}
    return {"MIMETYPE": file.media, "SIZE": str(file.size), "CREATED": _moment(facts), **digest}


def _moment(facts: PackageFacts) -> str:
    return facts.made_at.isoformat(timespec="seconds")


def _parse(raw: bytes) -> etree._Element:
    import lxml.etree as etree

    try:
        return etree.fromstring(raw, safe_xml.parser(huge_tree=False))
    except (etree.XMLSyntaxError, ValueError) as cause:
        raise _refusal("it is no XML") from cause


def _refusal(why: str) -> MalformedXml:
    return MalformedXml("ENV-NOT-XML", why, step=3)
