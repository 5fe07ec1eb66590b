"""Text as search sees it: lower case, no accents, single spaces. The store writes it beside what people typed and
compares with the same form of what they look for, so both databases answer alike. Pure."""

import unicodedata

# The letter has no canonical decomposition, unlike every other accented letter of the alphabet.
_STROKES = str.maketrans({"\u0111": "d"})


def fold(text: str) -> str:
    """`text` without letter case and accents; runs of white space become one space."""
    # Twice: letters that decompose may uncover capitals, and folding case may uncover accents.
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    bare = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return " ".join(bare.translate(_STROKES).split())
