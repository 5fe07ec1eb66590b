"""Names the files that took the places of others since the faults were chosen. In: a path of the list. Out: the paths that
it has had, the newest last: a checkout of any day has one of them. Whoever moves a file with a fault adds a row here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

FILES: Mapping[str, str] = {
    "gateway/api/asking.py": "gateway/api/parsing.py",
    "gateway/api/entry.py": "gateway/api/admission.py",
    "gateway/cli/compat.py": "foreign/gateway_foreign/cli/compat.py",
    "gateway/edxml/again.py": "labs/gateway_labs/simulators/again.py",
    "gateway/folder/waiting.py": "gateway/folder/entries.py",
    "gateway/office/letters/asking.py": "gateway/office/letters/follow_up.py",
    "gateway/office/web/pages/agencies/changing.py": "gateway/office/web/pages/agencies/change_wizard.py",
    "gateway/office/web/pages/operations/aside.py": "gateway/office/web/pages/operations/quarantine.py",
    "gateway/office/web/pages/outgoing/seen.py": "gateway/office/web/pages/outgoing/access.py",
    "gateway/office/workers.py": "gateway/office/mail.py",
    "gateway/outgoing/brought.py": "gateway/outgoing/ready_envelope.py",
    "gateway/registry/binding.py": "gateway/registry/binding_changes.py",
    "gateway/transport/rest/shelf.py": "gateway/transport/rest/fetched_queue.py",
    "gateway/whole_files.py": "gateway/atomic_files.py",
}
FOLDERS: Mapping[str, str] = {
    "gateway/office/": "office/gateway_office/",
    "gateway/transport/rest/": "foreign/gateway_foreign/rest/",
    "gateway/transport/vxp/": "foreign/gateway_foreign/vxp/",
    "gateway/transport/lgsp/": "foreign/gateway_foreign/lgsp/",
    "gateway/api/vxp/": "foreign/gateway_foreign/compat/",
    "gateway/registry/": "gateway/registry_authoring/",
}


def paths_of(path: str) -> Iterator[str]:
    """Yield the path, and each that it has had since."""
    yield path
    if path in FILES:
        yield from paths_of(FILES[path])
        return
    for old, new in FOLDERS.items():
        if path.startswith(old):
            yield from paths_of(new + path.removeprefix(old))
