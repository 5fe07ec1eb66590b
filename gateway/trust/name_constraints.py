"""Name constraints (RFC 5280 4.2.1.10): may a certificate bear its names below an authority? In: the constraints of
one authority and one certificate below it. Out: the name that breaks them, or None. A constraint of a kind that is
not understood refuses every name of that kind, because a check that cannot be made must not pass."""

from __future__ import annotations

import contextlib
import ipaddress

from cryptography import x509
from cryptography.x509.oid import NameOID


def breach(constraints: x509.NameConstraints, certificate: x509.Certificate) -> str | None:
    """The first name of the certificate that is excluded, or not among the permitted of its kind."""
    for name in _names(certificate):
        excluded = [each for each in constraints.excluded_subtrees or () if type(each) is type(name)]
        permitted = [each for each in constraints.permitted_subtrees or () if type(each) is type(name)]
        if any(_within(name, each) is not False for each in excluded):
            return f"{_text(name)} is excluded"
        if permitted and not any(_within(name, each) is True for each in permitted):
            return f"{_text(name)} is not among the permitted names"
    return None


def _names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    if len(certificate.subject.rdns):
        names.append(x509.DirectoryName(certificate.subject))
    mailboxes = certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)
    names += [x509.RFC822Name(str(mailbox.value)) for mailbox in mailboxes]
    with contextlib.suppress(x509.ExtensionNotFound):
        names += certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names


def _within(name: x509.GeneralName, subtree: x509.GeneralName) -> bool | None:
    """Whether the name lies below the subtree; None when this kind of name cannot be compared here."""
    if isinstance(name, x509.DirectoryName) and isinstance(subtree, x509.DirectoryName):
        above = subtree.value.rdns
        return list(name.value.rdns[: len(above)]) == list(above)
    if isinstance(name, x509.DNSName) and isinstance(subtree, x509.DNSName):
        return _below_domain(name.value, subtree.value)
    if isinstance(name, x509.RFC822Name) and isinstance(subtree, x509.RFC822Name):
        return _mailbox_below(name.value, subtree.value)
    if isinstance(name, x509.IPAddress) and isinstance(subtree, x509.IPAddress):
        network = subtree.value
        if isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network):
            return name.value in network
    return None


def _below_domain(name: str, domain: str) -> bool:
    name, domain = name.lower(), domain.lower()
    return not domain or name == domain or name.endswith("." + domain.removeprefix("."))


def _mailbox_below(mailbox: str, subtree: str) -> bool:
    if "@" in subtree:
        return mailbox.lower() == subtree.lower()
    host = mailbox.rpartition("@")[2].lower()
    if subtree.startswith("."):
        return host.endswith(subtree.lower())
    return host == subtree.lower()


def _text(name: x509.GeneralName) -> str:
    value = name.value
    return repr(value.rfc4514_string() if isinstance(value, x509.Name) else str(value))
