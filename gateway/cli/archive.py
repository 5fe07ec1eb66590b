"""`gateway archive`: packages for the historical archive. In: anywhere, without a node, a package and a folder of trusted
keys. Out: each fault of the package, and the verdict; exit 7 unless it is whole and signed by a trusted key."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, argument, noun, option
from gateway.cli.output import VERIFICATION

verb = noun("archive").verb


@verb("hov_01J….tar --trust trust/", "hov_01J….tar -o json")
def check(
    call: Invocation,
    package: Annotated[Path, argument("The package: one TAR file.")],
    trust: Annotated[
        Path | None, option("Folder with nodes/*.pem: public keys of the makers.", envvar="GATEWAY_TRUST")
    ] = None,
) -> None:
    """Check a package offline: every byte, both METS files, the counts, the signature. Exit 7 unless all of it holds."""
    from gateway.ops import archive_package
    from gateway.ops.evidence.verify import read_node_keys

    report = archive_package.check(package, read_node_keys(trust).values() if trust else None)
    faults = [asdict(fault) for fault in report.faults]
    record = output.fields(report, "id verdict documents files signer", faults=faults)
    lines = [f"✗ {call.word(f'archive.fault.{fault.reason}')}: {fault.member}" for fault in report.faults]
    if report.is_signer_trusted is False:
        lines.append(f"✗ {call.word('archive.fault.signer')}: SHA-256 {report.signer}")
    lines.append(
        call.word(f"archive.verdict.{report.verdict}", documents=report.documents, files=report.files)
    )
    output.answer(call, record, map(output.plain, lines))
    if report.verdict != "valid":
        raise typer.Exit(VERIFICATION)
