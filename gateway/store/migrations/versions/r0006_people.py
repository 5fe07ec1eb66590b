"""Persons who decide, and their proposals.

Expand: new tables only.
"""

revision = "0006"
down_revision = "0005"
phase = "expand"


def upgrade() -> None:
    pass
