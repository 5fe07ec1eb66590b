"""Makes recordings comparable. In: text that a node gave. Out: the same text with its ids numbered in the order in which
they appear, and without keys, digests, times of day and addresses that no two runs share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_ID = re.compile(r"(?<![a-z])([a-z]{2,4})_([0-9A-HJKMNP-TV-Z]{26})(-\d+)?\b")
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_WITHOUT: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), stand_in)
    for pattern, stand_in in (
        (r"\bgwk_[\w-]{20,}", "<key>"),
        (r"/lien-ket/[\w-]+", "/lien-ket/<link>"),
        (r"127\.0\.0\.1:\d+", "<address>"),
        (r"\b[0-9a-fA-F]{2}(?:[: ][0-9a-fA-F]{2}){7,}\b", "<bytes>"),
        (r"\b(?:[0-9a-fA-F]{4} ){3,}[0-9a-fA-F]{4}\b", "<bytes>"),
        (r"\b[0-9a-f]{12,}\b", "<hex>"),
        (r"\b[0-9A-F]{16,}\b", "<hex>"),
        (r"\b\d{20,}\b", "<serial>"),
        (r"[A-Za-z0-9+/_-]{40,}={0,2}", "<base64>"),
        (r"\bevp_[0-9a-z]{26}", "<evp>"),
        (r"\b01[0-9A-HJKMNP-TV-Z]{24}\b", "<ulid>"),
        (r"\d{2}:\d{2}:\d{2}(?:\.\d+)?", "<time>"),
        (r"\b\d{1,2}:\d{2}\b", "<hour>"),
        (r"\b\d+([.,]\d+)? (giây|phút|giờ|seconds?|minutes?|hours?|ms|s)\b", r"<n> \2"),
        (r"\b\d+([.,]\d+)? ?(MB|KB|GB|kB|byte|bytes)\b", r"<n> \2"),
        (
            r'"(size|seconds|bytes|free_mb|memory\w*|took_ms|sequence|leaf|index|tree_size)": ?\d+',
            r'"\1": <n>',
        ),
        (r"(\w+_(?:bytes|seconds|ms)): [\d.]+", r"\1: <n>"),
        # How far the log was sealed at that moment.
        (r"not sealed yet|Line \d+|chưa niêm phong|Dòng (?:số )?\d+", "<line>"),
        (r"(<tr><td>\d+</td><td>)\d+(</td><td>\d\d/\d\d/\d{4})", r"\1<n>\2"),
    )
)


@dataclass(slots=True)
class Plain:
    """Ids of one recording: a name by kind and number for each, in order of appearance."""

    _names: dict[str, str] = field(default_factory=dict)
    _count: dict[str, int] = field(default_factory=dict)

    def text(self, text: str) -> str:
        text = _ID.sub(lambda match: self._name(match[1], match[0]), text)
        text = _UUID.sub(lambda match: self._name("uuid", match[0]), text)
        for pattern, stand_in in _WITHOUT:
            text = pattern.sub(stand_in, text)
        return text

    def _name(self, kind: str, id: str) -> str:
        if id not in self._names:
            self._count[kind] = self._count.get(kind, 0) + 1
            self._names[id] = f"<{kind} {self._count[kind]}>"
        return self._names[id]
