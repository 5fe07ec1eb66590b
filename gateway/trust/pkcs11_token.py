"""One PKCS#11 token, opened for the node and opened again after a fault. In: a library, a label, a PIN. Out: work done in a
logged-in session, one at a time; every error of the library as our own. A PIN that was refused is not tried again: three
wrong ones lock most tokens."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pkcs11
from pkcs11.exceptions import (
    NoSuchKey,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    UserAlreadyLoggedIn,
)

from gateway.errors import Misconfigured, NotFound, SignerDown
from gateway.log import action

T = TypeVar("T")
# Signing takes milliseconds; who waits longer than this waits for a token that hangs.
PATIENCE_S = 20.0
_BAD_PIN = (PinIncorrect, PinInvalid, PinLenRange, PinLocked)
_log = logging.getLogger(__name__)


class _Shared:
    """What the tokens of one library share, for it is one for the whole process, and so is its state: they wait for each
    other, and each time that it begins anew all their sessions have ended."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.beginnings = 0


_LIBRARIES: dict[str, _Shared] = {}
_MAKING = threading.Lock()


class Pkcs11Token:
    """The token with that label. Nothing is opened before the first work."""

    def __init__(self, module: Path, label: str, pin: str | None) -> None:
        self._module, self._label = str(module), label
        self._pin = pin
        self._session: Any = None  # the library's session has no public type of its own
        self._opened_in = 0
        self._refused = False
        with _MAKING:
            self._shared = _LIBRARIES.setdefault(os.path.realpath(self._module), _Shared())

    def __repr__(self) -> str:
        return f"Pkcs11Token({self._label!r})"

    def run(self, work: Callable[[Any], T]) -> T:
        """What `work` gives for a session of this token. SignerDown when the token does not do it, also not in a new
        session; NotFound when it has no such key; Misconfigured when the settings cannot work."""
        if not self._shared.lock.acquire(timeout=PATIENCE_S):
            raise self._down("another call has not come back from it")
        try:
            try:
                return work(self._opened())
            except PKCS11Error as first:
                # Of a token that was pulled out some libraries say that it has no keys: so that is asked twice too.
                if self._refused:
                    raise
                action(_log, "token.reopened", type(first).__name__, token=self._label)
                self._start_anew()
                return work(self._opened())
        except NoSuchKey as why:
            raise NotFound(f"the token {self._label} has no such key") from why
        except PKCS11Error as why:
            self._drop()
            raise self._down(type(why).__name__) from why
        finally:
            self._shared.lock.release()

    def _opened(self) -> Any:
        if self._opened_in != self._shared.beginnings:
            self._session = (
                None  # its number may be that of another token's session by now: not even to be closed
            )
        if self._session is None:
            if self._pin is None or self._refused:
                raise Misconfigured(
                    f"the PIN of the token {self._label} is missing or was refused; it is not tried again",
                    hint="put the right PIN into the file of GATEWAY_KEYS_PIN_FILE and start the node again",
                )
            token = self._library().get_token(token_label=self._label)
            try:
                self._session = token.open(rw=True, user_pin=self._pin)
            except UserAlreadyLoggedIn:
                self._session = token.open(
                    rw=True
                )  # somebody else of this process did; a login is the process's
            except _BAD_PIN:
                self._refused = True
                raise
            self._opened_in = self._shared.beginnings
        return self._session

    def _library(self) -> Any:
        try:
            return pkcs11.lib(self._module)
        except (RuntimeError, OSError) as why:
            if isinstance(why, PKCS11Error) and type(why) is not PKCS11Error:
                raise  # the library is there, and says what is wrong
            raise Misconfigured(
                f"the PKCS#11 library {self._module} cannot be loaded: {why}",
                hint="check keys.pkcs11_module",
            ) from why

    def _start_anew(self) -> None:
        """A token that was taken out and put back is seen only by a library that begins again."""
        self._drop()
        self._shared.beginnings += 1
        self._library().reinitialize()

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None and self._opened_in == self._shared.beginnings:
            try:
                session.close()
            except PKCS11Error as why:
                action(_log, "token.not_closed", type(why).__name__, token=self._label)

    def _down(self, why: str) -> SignerDown:
        if self._refused:
            return SignerDown(
                f"the token {self._label} refused the PIN; it is not tried again, so that it does not lock",
                hint="put the right PIN into the file of GATEWAY_KEYS_PIN_FILE and start the node again",
            )
        return SignerDown(
            f"the token {self._label} does not answer ({why})",
            hint="is it plugged in, and does its own tool see it? What waits is signed when it is back",
        )
