"""Certificates that an operator drops into a folder of the node: one that fits a request that waits is imported, as by
`gateway keys import`. In: an open node, and the files of the folder. Out: the certificate beside its key, and the file
among the imported ones; or among the refused ones, with the reason; a message on the channels of the alarms either way.
Binding it still takes two people, and the earlier certificate stays valid for `keys.overlap_days`."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway import log, time_source
from gateway.atomic_files import make_private
from gateway.bootstrap.node import OpenNode
from gateway.cli.keys import check_own
from gateway.domain.diagnosis import Diagnosis, red, yellow
from gateway.errors import Clash, GatewayError
from gateway.ops.alarms import send_one
from gateway.trust.key_material import key_id, public_key_of
from gateway.trust.keys import KeyEntry, read_certificate

_log = logging.getLogger(__name__)
IMPORTED, REFUSED = "imported", "refused"
# A file that is still being copied grows.
_COMPLETE_AFTER = timedelta(seconds=5)


async def take_dropped(node: OpenNode, folder: Path) -> bool:
    """Take each certificate of the folder that is complete; return whether there was one."""
    files = await node.pool.run(partial(_complete_files, folder))
    for file in files:
        finding = await _take(node, file)
        place = folder / (REFUSED if finding.cause == "keys.refused" else IMPORTED)
        await node.pool.run(partial(_move, file, place))
        log.action(_log, finding.cause, file=file.name, code=finding.params.get("code", ""))
        faults = await send_one(node.settings, node.clock, node.pool, finding)
        for channel, why in faults.items():
            if why:
                log.action(_log, "alarm.not_sent", why, channel=channel)
    return bool(files)


async def _take(node: OpenNode, file: Path) -> Diagnosis:
    try:
        entry = await _import(node, file)
    except (GatewayError, OSError) as error:
        finding = red("keys", "keys.refused", f"openssl x509 -in {file.name} -noout -text")
        return replace(finding, params={"file": file.name, "why": str(error)})
    end = entry.not_after.date().isoformat() if entry.not_after is not None else "–"
    place = file.parent / IMPORTED / file.name
    cure = f"gateway keys propose {entry.agency_code} {place} --as NAME"
    return yellow("keys", "keys.imported", cure, code=entry.agency_code, key=entry.key_id, until=end)


async def _import(node: OpenNode, file: Path) -> KeyEntry:
    """Import the certificate. Clash where no key of ours waits for it, or it has another code or no known authority."""
    pem = await node.pool.run(file.read_bytes)
    certificate = read_certificate(pem, file.name)
    certified = key_id(public_key_of(certificate, file.name))
    codes = [agency.code for agency in await node.store.hosted()]
    waiting = [e for code in codes for e in node.keys.entries(code) if e.certificate_der is None]
    entry = next((e for e in waiting if e.key_id == certified), None)
    if entry is None:
        raise Clash("no request of an agency of this node waits for this certificate")
    names = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [entry.agency_code]:
        raise Clash(f"it is for {', '.join(names) or 'no code'}, and its key is of {entry.agency_code}")
    der, now = certificate.public_bytes(Encoding.DER), node.clock.now()
    evidence = await node.pool.run(partial(node.trust.collect, der, now))
    if evidence.chain_code is not None:
        raise Clash(f"it leads to no authority that this node trusts: {evidence.chain_detail}")
    if evidence.not_after <= now:
        raise Clash("it has ended")
    await check_own(node, entry.agency_code, file)
    return await node.pool.run(partial(node.keys.import_certificate, entry.agency_code, pem))


def _complete_files(folder: Path) -> list[Path]:
    now, files = time_source.utc_now().timestamp(), sorted(folder.glob("*.pem"))
    return [file for file in files if now - file.stat().st_mtime > _COMPLETE_AFTER.total_seconds()]


def _move(file: Path, place: Path) -> None:
    make_private(place)
    os.replace(file, place / file.name)
