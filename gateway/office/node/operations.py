"""Puts together what the pages of operations and of the log work with. In: an open node and what watches it. Out: one
`Operations`, made once."""

from __future__ import annotations

from gateway.office.bootstrap.office import Office
from gateway.office.node.aside import Quarantine
from gateway.office.node.copies import BackupCopies
from gateway.office.node.dead_letters import AxisDeadLetters
from gateway.office.node.journal import NodeJournal
from gateway.office.node.machine import NodeMachine
from gateway.office.node.notice_board import NodeNotices
from gateway.office.web.ports_operations import Operations
from gateway.ports import Health


def of(node: Office, health: Health, notices: NodeNotices) -> Operations:
    return Operations(
        machine=NodeMachine(node, health),
        dead=AxisDeadLetters(node),
        aside=Quarantine(node),
        copies=BackupCopies(node),
        journal=NodeJournal(node),
        notices=notices,
    )
