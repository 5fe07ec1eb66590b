"""What every export does to the text of a cell: nothing that a table program would run, nothing that its format cannot
carry. In: what people wrote. Out: the same words, safe."""

from __future__ import annotations

import re

# A table program takes a text that begins so for a formula, whatever it is.
_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def is_formula_like(text: str) -> bool:
    """Also behind spaces, which some programs skip."""
    return text.startswith(_STARTS) or text.lstrip().startswith(_STARTS[:4])


def clean(text: str) -> str:
    """Without characters that neither XML nor a person can read."""
    return _CONTROL.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
