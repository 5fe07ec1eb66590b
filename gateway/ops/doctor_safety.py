"""What `gateway doctor` says of the scanner for malware and of the sealed hold. In: their states. Out: words for a finding.
Pure."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.domain.hold import HoldState
from gateway.ops.doctor_log import Told
from gateway.ports import ScannerState

GREEN, YELLOW, RED = "green", "yellow", "red"


def scanner(state: ScannerState) -> Told:
    """A scanner that is down stops nothing that is here already, and loses nothing."""
    if state.word == "off":
        return Told(level=YELLOW, cause="scanner.off")
    if state.word == "ok":
        return Told(level=GREEN, cause="scanner.fine", params={"version": state.detail})
    return Told(level=RED, cause="scanner.down", params={"reason": state.detail})


def holds(counts: Mapping[str, int], *, has_recipient: bool) -> list[Told]:
    """`counts` are the open holds by state."""
    frozen, sealed = counts.get(HoldState.FROZEN, 0), counts.get(HoldState.SEALED, 0)
    told = []
    if frozen and not has_recipient:
        told.append(Told(level=RED, cause="hold.unsealed", params={"count": frozen}, cure="gateway hold key"))
    elif frozen:
        told.append(Told(level=YELLOW, cause="hold.frozen", params={"count": frozen}, cure="gateway serve"))
    if sealed:
        told.append(Told(level=YELLOW, cause="hold.open", params={"count": sealed}, cure="gateway hold list"))
    if not told:
        told.append(Told(level=GREEN, cause="hold.none" if has_recipient else "hold.no_key"))
    return told
