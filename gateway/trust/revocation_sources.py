"""Whom a node asks about revocation: the file `revocation.toml` of its trust folder. In: the folder. Out: for each
authority the addresses of its responders and lists, or Misconfigured that says what to mend. No other address is ever
asked, whatever a certificate says."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509

from gateway.errors import Misconfigured
from gateway.trust.bounded_http import parsed
from gateway.trust.evidence import certificates_in

FILE = "revocation.toml"
_KEYS = frozenset({"certificate", "ocsp", "crl", "nonce"})
_MOST_ADDRESSES = 8
_EXAMPLE = '[[issuer]] with certificate = "ca.pem", and ocsp = ["http://…"] or crl = ["http://…"]'


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSources:
    """Where to ask about the certificates of one authority. `needs_nonce`: an answer that does not repeat ours is none."""

    issuer: x509.Certificate
    ocsp: tuple[str, ...]
    lists: tuple[str, ...]
    needs_nonce: bool = False


def read(folder: Path) -> tuple[IssuerSources, ...]:
    """As the file says; nothing where there is no file."""
    path = folder / FILE
    if not path.is_file():
        return ()
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as why:
        raise Misconfigured(f"{path} cannot be read: {why}") from why
    tables = told.get("issuer")
    if set(told) != {"issuer"} or not isinstance(tables, list) or not tables:
        raise Misconfigured(f"{path} names no issuer", hint=f"write {_EXAMPLE}")
    found: dict[x509.Certificate, IssuerSources] = {}
    for n, table in enumerate(tables, start=1):
        for each in _sources(folder, f"{path}, issuer {n}", table):
            if each.issuer in found:
                raise Misconfigured(f"{path}, issuer {n}: this authority stands there twice")
            found[each.issuer] = each
    return tuple(found.values())


def _sources(folder: Path, where: str, table: Mapping[str, Any]) -> list[IssuerSources]:
    """One for each certificate of the named file."""
    if not isinstance(table, dict) or set(table) - _KEYS:
        raise Misconfigured(
            f"{where}: expected the keys {', '.join(sorted(_KEYS))}", hint=f"write {_EXAMPLE}"
        )
    name = table.get("certificate")
    if not isinstance(name, str) or not _is_inside(folder, name):
        raise Misconfigured(f"{where}: certificate is no file of {folder}", hint=f"write {_EXAMPLE}")
    ocsp, lists = _addresses(table, "ocsp", where), _addresses(table, "crl", where)
    if not ocsp and not lists:
        raise Misconfigured(f"{where}: there is no address to ask", hint=f"write {_EXAMPLE}")
    nonce = table.get("nonce", "optional")
    if nonce not in ("optional", "required"):
        raise Misconfigured(f'{where}: nonce is {nonce!r}; write "optional" or "required"')
    return [
        IssuerSources(issuer=each, ocsp=ocsp, lists=lists, needs_nonce=nonce == "required")
        for each in certificates_in(folder / name)
    ]


def _is_inside(folder: Path, name: str) -> bool:
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts and (folder / path).is_file()


def _addresses(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    told = table.get(key, [])
    if not isinstance(told, list) or not all(isinstance(each, str) for each in told):
        raise Misconfigured(f"{where}: {key} is no list of addresses", hint=f"write {_EXAMPLE}")
    if len(told) > _MOST_ADDRESSES:
        raise Misconfigured(f"{where}: {key} has more than {_MOST_ADDRESSES} addresses")
    for each in told:
        parsed(each)
    return tuple(told)
