"""The one PKCS#11 library of this process, with tokens in software."""

from __future__ import annotations

import shutil
import tempfile
from atexit import register
from functools import cache
from pathlib import Path

from gateway.trust.pkcs11_keys import Pkcs11Token, TokenKeys
from tests.services import softhsm
from tests.services.softhsm import Hsm, Token
from tests.support.services import missing


@cache
def of_this_process() -> Hsm:
    if not softhsm.installed():
        missing("SoftHSM is not installed; `make test` installs it where it may")
    folder = Path(tempfile.mkdtemp(prefix="softhsm-"))
    register(shutil.rmtree, folder, ignore_errors=True)
    return softhsm.start(folder)


def keys_on(token: Token, pin: str | None = None) -> TokenKeys:
    """Open the keys of that token as the node does; with another PIN where one is given."""
    return TokenKeys(Pkcs11Token(of_this_process().module, token.label, token.pin if pin is None else pin))
