"""Seals over the event log.

Expand: new tables only.
"""

revision = "0009"
down_revision = "0008"
phase = "expand"


def upgrade() -> None:
    pass
