"""Filters as words in the search field: `type:"official letter" due:overdue budget`. In: a typed text and the tokens that a
list understands, in the reader's language. Out: values of the list's address with the rest of the text; the text of a
list that is filtered already; and offers that complete the last word. Pure.

`from:`, `to:` and `signed:` with their names stay in the text, because the search itself understands them. A value runs to
the next token; of one that begins with a known value the rest is text, and the begin of a known one stands for it, as its
offer does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.domain.text import fold, nfc

MOST_OFFERS = 8
_QUOTE = '"'


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenValue:
    """Value that a token can have: its words, and the value of the address that they stand for."""

    words: str
    parameter: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Filter with a name. The first of `names` is written, all are read. `is_text`: a name that the search reads itself, in
    the address the value of `parameter`. `is_open`: words besides those of `values` are read too."""

    names: tuple[str, ...]
    parameter: str
    about: str
    values: tuple[TokenValue, ...] = ()
    is_text: bool = False
    is_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Completion of a text. `text` is the whole text with it, `words` the part that it adds."""

    text: str
    words: str
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Part of a text: plain words, or a token with the words behind its colon. `is_quoted`: its value has its end."""

    text: str
    token: Token | None = None
    is_quoted: bool = False


def read_tokens(text: str, tokens: Sequence[Token]) -> tuple[dict[str, str], str]:
    """Return the values of the tokens, and the rest of the text. A value that the token does not know stays in the text, so
    that it is searched for and seen."""
    values: dict[str, str] = {}
    plain_texts: list[str] = []
    for part in _parts(text, tokens):
        if part.token is None:
            plain_texts.append(part.text)
            continue
        if part.token.is_text:
            plain_texts.append(_write_token(part.token, part.text) if part.text else "")
            continue
        value, behind = _read_value(part)
        if value is None:
            plain_texts.append(f"{part.token.names[0]}:{part.text}")
        else:
            values[value.parameter] = value.value
            plain_texts.append(behind)
    return values, " ".join(filter(None, plain_texts))


def write_tokens(parameters: Mapping[str, str], tokens: Sequence[Token]) -> str:
    """Write the filters of an address as a text that `read_tokens` understands."""
    parts: list[str] = []
    for token in tokens:
        words = next(
            (value.words for value in token.values if parameters.get(value.parameter) == value.value), ""
        )
        if not words and (token.is_open or token.is_text):
            words = parameters.get(token.parameter, "")
        if words:
            parts.append(_write_token(token, words))
    return " ".join(filter(None, (*parts, parameters.get("q", ""))))


def offer(text: str, tokens: Sequence[Token], names: Sequence[str] = ()) -> list[Offer]:
    """Complete the end of a text: the name of a token, or its value. `names` are values of tokens that the search
    reads."""
    parts = list(_parts(text, tokens))
    last = parts[-1] if parts else _Part(text="")
    if last.token is not None and last.is_quoted:
        return []
    head = " ".join(_write_part(part) for part in parts[:-1])
    if last.token is not None:
        sought = fold(last.text)
        words = names if last.token.is_text else [value.words for value in last.token.values]
        fitting = words if last.token.is_text else [w for w in words if _has_word(w, sought)]
        texts = [_write_token(last.token, w) for w in fitting[:MOST_OFFERS]]
        return [Offer(text=f"{head} {w} ".lstrip(), words=w, about=last.token.about) for w in texts]
    *plain, last_word = last.text.split(" ") if not text.endswith(" ") else [last.text, ""]
    head = " ".join(filter(None, (head, *plain)))
    sought = fold(last_word)
    matching_tokens = [
        token for token in tokens if sought and any(fold(n).startswith(sought) for n in token.names)
    ]
    offers = [
        Offer(text=f"{head} {token.names[0]}:".lstrip(), words=f"{token.names[0]}:", about=token.about)
        for token in (matching_tokens if last_word else tokens)
    ]
    if len(sought) > 1:
        offers += [
            Offer(
                text=f"{head} {_write_token(t, v.words)} ".lstrip(),
                words=_write_token(t, v.words),
                about=t.about,
            )
            for t in tokens
            for v in t.values
            if fold(v.words).startswith(sought)
        ]
    return offers[:MOST_OFFERS] if last_word else offers


def typed_value(text: str, tokens: Sequence[Token]) -> tuple[Token, str] | None:
    """Return the token at the end of the text and the begin of its value; None where plain words stand there."""
    parts = list(_parts(text, tokens))
    last = parts[-1] if parts else None
    return (last.token, last.text) if last is not None and last.token and not last.is_quoted else None


def _write_token(token: Token, words: str) -> str:
    return f"{token.names[0]}:{_QUOTE}{words}{_QUOTE}" if " " in words else f"{token.names[0]}:{words}"


def _write_part(part: _Part) -> str:
    return part.text if part.token is None else _write_token(part.token, part.text)


def _has_word(words: str, sought: str) -> bool:
    """Tell whether the words begin with what is sought, or one of them does."""
    folded = fold(words)
    return not sought or folded.startswith(sought) or f" {sought}" in folded


def _read_value(part: _Part) -> tuple[TokenValue | None, str]:
    """Find the value that a part begins with, and the words behind it. The longest value that fits is taken."""
    token, words = part.token, part.text.split()
    if token is None or not words:
        return None, ""
    values_by_words = {fold(value.words): value for value in token.values}
    for count in (len(words),) if part.is_quoted else range(len(words), 0, -1):
        if value := values_by_words.get(fold(" ".join(words[:count]))):
            return value, " ".join(words[count:])
    begun = fold(part.text)
    if not part.is_quoted and (
        value := next((v for w, v in values_by_words.items() if w.startswith(begun)), None)
    ):
        return value, ""
    if not token.is_open:
        return None, ""
    # Behind a day may stand text.
    count = 1 if words[0][0].isdigit() and not part.is_quoted else len(words)
    free_value = TokenValue(words="", parameter=token.parameter, value=" ".join(words[:count]))
    return free_value, " ".join(words[count:])


def _parts(text: str, tokens: Sequence[Token]) -> Iterator[_Part]:
    """Split a text at the names of tokens. A value ends at its second quotation mark, else at the next name."""
    text = nfc(text)
    starts = list(_starts(text, tokens))
    if plain := text[: starts[0][0] if starts else len(text)].strip():
        yield _Part(text=plain)
    ends = [*(start for start, _, _ in starts[1:]), len(text)]
    for (_, begin, token), end in zip(starts, ends, strict=False):
        value = text[begin:end].strip()
        if not value.startswith(_QUOTE):
            yield _Part(text=value, token=token)
            continue
        quoted, mark, behind = value[1:].partition(_QUOTE)
        yield _Part(text=quoted.strip(), token=token, is_quoted=bool(mark))
        if behind.strip():
            yield _Part(text=behind.strip())


def _starts(text: str, tokens: Sequence[Token]) -> Iterator[tuple[int, int, Token]]:
    """Yield where each token begins, where its value begins, and the token. Names in quotation marks are none."""
    by_name = {fold(name): token for token in tokens for name in token.names}
    longest = max((len(name.split()) for name in by_name), default=0)
    word_starts: list[int] = []
    is_quoted = False
    for at, letter in enumerate(text):
        if letter == _QUOTE:
            is_quoted = not is_quoted
        if is_quoted:
            word_starts = []
        elif letter == ":":
            for start in word_starts[-longest:]:
                if token := by_name.get(fold(text[start:at])):
                    yield start, at + 1, token
                    word_starts = []
                    break
        elif not letter.isspace() and (at == 0 or text[at - 1].isspace()):
            word_starts.append(at)
