"""Defines limits and choices of a verifier of envelopes, as frozen values that are passed in, never global.
`EnvelopeLimits` bounds the cost of one file; `XmlPolicy` says which keys and forms are accepted. The defaults fit our
own axis; every option that loosens something names its danger."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.domain.algorithms import ALGORITHMS, Algorithms
from gateway.domain.fields import MOST

_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeLimits:
    """Bounds on one envelope (F1, F3, G1, G2). Raising one lets any sender cost us more memory or time, signed or not,
    because it is spent before the signature is known."""

    max_bytes: int = 512 * _MIB
    """F1: a larger file is refused before it is parsed."""

    depth: int = 32
    """F3: nesting on the fast path; the deepest native element is at 10."""

    attributes: int = 4
    """F3: attributes and declarations of one element on the fast path."""

    name_bytes: int = 1024
    """F3: one whole start tag."""

    text_bytes: int = 65_536
    """F3: text of one element outside attachments."""

    text_total: int = 4 * _MIB
    """F3: all text outside attachments together."""

    signature_bytes: int = 262_144
    """F3: the Signature element, tags included. The roles of 1,000 recipients (W6a) take 140 KB."""

    attachments: int = 1000
    recipients: int = MOST["recipients"]

    header_bytes: int = 4 * _MIB
    """F6: a header that reaches this size without a Signature is not native."""

    inflated_bytes: int = 512 * _MIB
    """Unpacked bytes of all zipped attachments of one envelope; above it they count as damaged."""

    general_max_bytes: int = 32 * _MIB
    """G1: the general path holds the whole file as a tree, some six times its size."""

    general_depth: int = 64
    """G2: nesting on the general path."""

    general_nodes: int = 50_000
    """G1: elements and comments of a file on the general path, where each costs some 350 bytes. A document with 1,000
    recipients and 1,000 attachments has 25,000."""

    general_attributes: int = 50_000
    """G1: attributes and namespace declarations of such a file together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XmlPolicy:
    """Choice of signatures that count as authentic. Make a looser value for one named foreign sender, never for all."""

    limits: EnvelopeLimits = field(default_factory=EnvelopeLimits)

    algorithms: frozenset[str] = frozenset({"rsa-sha256", "ecdsa-sha256"})
    """Names as in `names.ALGORITHM_URIS`. An addition without a length and curve rule in W8 lets a signature pass
    whose strength is unknown."""

    table: Algorithms = ALGORITHMS
    """Lengths and curves of keys, and digests, with the days until which they are accepted."""

    max_rsa_bits: int = 8192
    """Raise it and one forged envelope with a giant key costs seconds of processor time to refuse."""

    allow_p384: bool = False
    """Takes `ecdsa-sha384`. Receivers that know only W8's P-256 call such envelopes invalid."""

    own_axis: bool = True
    """False for a foreign axis: an envelope without signature or qualifier is then a finding and not a refusal, so
    nothing but that axis's own session vouches for the sender."""

    allow_legacy: bool = False
    """G7: takes RSA-SHA1, SHA-1 digests and inclusive canonical form. SHA-1 collisions can be bought: the sender can
    later show another document under the same signature. Needs an admin's dated permission; never a receipt's proof."""

    allow_single_reference: bool = False
    """G3: takes a signature without signed properties. Its time and its message id are then not signed: the same
    envelope can be played again under another id, and a stolen key's envelope cannot be told from an older one."""

    def accepts(self, algorithm: str) -> bool:
        """Tell whether a signature method, by its name, is within this policy."""
        return algorithm in self.algorithms or (self.allow_p384 and algorithm == "ecdsa-sha384")
