"""Text as search sees it: lower case, no accents, single spaces. The store writes it beside what people typed and
compares with the same form of what they look for, so both databases answer alike. Pure."""

import unicodedata

# The letter has no canonical decomposition, unlike every other accented letter of the alphabet.
_STROKES = str.maketrans({"\u0111": "d", "\u0110": "d"})


def fold(text: str) -> str:
    """`text` without letter case and accents; runs of white space become one space."""
    apart = unicodedata.normalize("NFKD", text.casefold().translate(_STROKES))
    bare = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return " ".join(bare.split())
