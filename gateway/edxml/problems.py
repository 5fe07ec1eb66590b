"""Puts into words what a schema found wrong. In: an error of the explaining validator, with its element. Out:
`Problem`: where, which rule, and a sentence that names the thing, what was expected and what was found.
Never quotes a value: a sentence may stand in a log, where the content of documents may not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from lxml import etree

from gateway.edxml.tree import XML_SPACE

if TYPE_CHECKING:
    from collections.abc import Iterable

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
"""Every value of `Problem.rule`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is not as the form wants it. `line` counts lines of the skeleton, which up to the attachments
    are those of the file; None when it is written on one line. `label_key` is what a clerk's page looks up."""

    path: str
    line: int | None
    rule: str
    sentence: str

    @property
    def label_key(self) -> str:
        return f"schema.{self.rule}"


def at(element: etree._Element, rule: str, sentence: str) -> Problem:
    """A problem of one element."""
    line = cast("int | None", element.sourceline)  # the stubs give it no type
    return Problem(path=_path(element), line=line, rule=rule, sentence=sentence)


def of_error(error: Any) -> Problem:  # xmlschema ships no types
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
    local = etree.QName(element).localname
    text = element.text or ""
    if isinstance(error, XMLSchemaChildrenValidationError):
        return _of_children(element, error)
    if isinstance(error.validator, (XsdAttribute, XsdAttributeGroup)):
        return at(element, "attribute", f"{local}: {error.reason}")
    if isinstance(error.validator, XsdGroup):
        return at(element, "text", f"{local} holds text where only elements may stand")
    if isinstance(error.validator, XsdElement):
        return at(element, "child", f"{local} holds elements where only text may stand")
    if isinstance(error.validator, XsdMaxLengthFacet):
        limit = error.validator.value
        return at(element, "length", f"{local} has {len(text)} characters; at most {limit} are taken")
    if not text.strip(XML_SPACE):
        return at(element, "empty", f"{local} is empty; leave out what is absent")
    return at(element, "value", f"the value of {local} is not of the form that is wanted there")


def _of_children(element: etree._Element, error: Any) -> Problem:
    parent = etree.QName(element).localname
    wanted = _names(error.expected or ())
    child: etree._Element | None = error.invalid_child
    if child is None:
        return at(element, "missing", f"{parent} lacks {wanted or 'an element'}")
    found = etree.QName(child).localname
    if wanted and any(one.min_occurs for one in error.expected):
        return at(child, "missing", f"{parent} lacks {wanted}; {found} stands in its place")
    return at(child, "unexpected", f"{found} may not stand here in {parent}")


def _names(particles: Iterable[Any]) -> str:
    return " or ".join(sorted({str(one.local_name) for one in particles if one.local_name}))


def _path(element: etree._Element) -> str:
    steps = [_step(element), *map(_step, element.iterancestors())]
    return "/" + "/".join(reversed(steps))


def _step(element: etree._Element) -> str:
    before = sum(1 for _ in element.itersiblings(element.tag, preceding=True))
    after = next(element.itersiblings(element.tag), None)
    local = etree.QName(element).localname
    return f"{local}[{before + 1}]" if before or after is not None else local
