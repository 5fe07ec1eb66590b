"""A real PKCS#11 library with tokens in software (SoftHSM). In: a folder. Out: a `Hsm` that makes tokens, breaks them and
mends them again. The library reads its settings once in a process, so a process has one `Hsm` for all its tests."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.services.process import ServiceFailed, tell

PACKAGES = ("softhsm2",)
CONF = "SOFTHSM2_CONF"
_LIBRARIES = (Path("/usr/lib/softhsm/libsofthsm2.so"), Path("/usr/lib64/pkcs11/libsofthsm2.so"))


def installed() -> bool:
    return shutil.which("softhsm2-util") is not None and any(library.exists() for library in _LIBRARIES)


@dataclass(frozen=True, kw_only=True)
class Token:
    """One token and what opens it."""

    label: str
    pin: str
    so_pin: str


@dataclass(frozen=True, kw_only=True)
class Hsm:
    """The library and where its tokens lie."""

    folder: Path

    @property
    def module(self) -> Path:
        return next(library for library in _LIBRARIES if library.exists())

    @property
    def conf(self) -> Path:
        return self.folder / "softhsm2.conf"

    def token(self, label: str | None = None) -> Token:
        """A new, empty token; without a label under a name of its own."""
        new_token = Token(
            label=label or f"token-{secrets.token_hex(4)}",
            pin=secrets.token_hex(4),
            so_pin=secrets.token_hex(4),
        )
        secrets_of_it = ("--pin", new_token.pin, "--so-pin", new_token.so_pin)
        tell(
            ["softhsm2-util", "--init-token", "--free", "--label", new_token.label, *secrets_of_it],
            env=os.environ | {CONF: str(self.conf)},
        )
        if os.environ.get(CONF) == str(self.conf):
            _reload_slots(self.module)
        return new_token

    def unplug(self) -> None:
        """Every token is out of reach."""
        (self.folder / "tokens").rename(self.folder / "away")
        (self.folder / "tokens").mkdir()

    def plug_in(self) -> None:
        (self.folder / "tokens").rmdir()
        (self.folder / "away").rename(self.folder / "tokens")


def _reload_slots(module: Path) -> None:
    """A library that runs in this process sees a new token only after it began anew."""
    import pkcs11

    with suppress(pkcs11.PKCS11Error):
        pkcs11.lib(str(module)).reinitialize()


def start(folder: Path) -> Hsm:
    """The one of this process; programs that it starts find the same tokens."""
    if not installed():
        raise ServiceFailed("SoftHSM is not installed")
    (folder / "tokens").mkdir(parents=True)
    hsm = Hsm(folder=folder)
    hsm.conf.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    os.environ[CONF] = str(hsm.conf)
    return hsm
