"""Puts together what the pages of operations and of the log work with. In: an open node and what watches it. Out: one
`Operations`, made once."""

from __future__ import annotations

from gateway.bootstrap import Node
from gateway.ops.web.aside import Quarantine
from gateway.ops.web.copies import BackupCopies
from gateway.ops.web.dead_letters import AxisDeadLetters
from gateway.ops.web.journal import NodeJournal
from gateway.ops.web.machine import NodeMachine
from gateway.ops.web.notice_board import NodeNotices
from gateway.ports import Health
from gateway.web.ports_operations import Operations


def of(node: Node, health: Health, notices: NodeNotices) -> Operations:
    return Operations(
        machine=NodeMachine(node, health),
        dead=AxisDeadLetters(node),
        aside=Quarantine(node),
        copies=BackupCopies(node),
        journal=NodeJournal(node),
        notices=notices,
    )
