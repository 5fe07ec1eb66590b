"""Watches everything that the program logs during the whole run for secrets. In: what tests and the program make (settings'
secrets, keys of callers, passwords, seeds of one-time codes) and what is logged, in this process and by its children.
Out: the lines with a secret in them; the test during which one was written fails."""

from __future__ import annotations

import functools
import logging
import re
import secrets
from collections.abc import Callable

import pyotp

from gateway.log import JsonLines
from gateway.settings.options import Secret

# A shorter word stands in a log by chance.
_SHORTEST = 8
_LATE = 300
_WORD = re.compile(r"[\w-]+")
# What is a secret wherever it stands: keys of callers as they are made, private keys, passwords in addresses.
_ALWAYS = re.compile(r"(?:gwk|sbx)_[\w-]{30,}|BEGIN [A-Z ]*PRIVATE KEY|\w://[^\s:/@\"]+:(?!\*+@)[^\s/@\"]+@")


class Watch(logging.Handler):
    """Keeps what was logged since the last look."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self._secrets: dict[str, None] = {}
        self._lines: list[str] = []

    def remember(self, secret: str) -> str:
        """Remember a secret, which may stand in no log from now on."""
        if len(secret) >= _SHORTEST:
            self._secrets[secret] = None
        return secret

    def take_output(self, output: str) -> None:
        """Take in the stderr of one of our processes."""
        self._lines.append(output)

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))

    def leaks(self) -> list[str]:
        """Return the lines with a secret in them, without the secret, and forget everything."""
        text, self._lines = "\n".join(self._lines), []
        if not text:
            return []
        # What was made lately is sought everywhere, all the thousands before it as words of their own.
        late = list(self._secrets)[-_LATE:]
        leaked = {secret for secret in late if secret in text}
        leaked |= self._secrets.keys() & set(_WORD.findall(text))
        leaked |= {m[0] for m in _ALWAYS.finditer(text)}
        return [_line_of(text, secret) for secret in sorted(leaked)]


def _line_of(text: str, secret: str) -> str:
    line = next((text_line for text_line in text.splitlines() if secret in text_line), "")
    return line.replace(secret, "<the secret>")[:400]


WATCH = Watch()


def start() -> None:
    """Begin to hear every logger and to learn every secret that is made; call it before anything is logged."""
    for package in ("gateway", "gateway_office", "gateway_foreign"):
        logging.getLogger(package).setLevel(logging.DEBUG)
    _learn_settings()
    for module, name in ((secrets, "token_urlsafe"), (pyotp, "random_base32")):
        setattr(module, name, _learned(getattr(module, name)))
    listen()


def listen() -> None:
    """Add the watch to the log again, because the program's own set-up of the log takes all other handlers off."""
    root = logging.getLogger()
    if WATCH not in root.handlers:
        root.addHandler(WATCH)


def _learned(make: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(make)
    def remembering(*args: int, **more: int) -> str:
        return WATCH.remember(make(*args, **more))

    return remembering


def _learn_settings() -> None:
    init = Secret.__init__

    def learned(self: Secret, text: str) -> None:
        WATCH.remember(text)
        init(self, text)

    Secret.__init__ = learned  # type: ignore[method-assign]  # every secret of the settings passes here
