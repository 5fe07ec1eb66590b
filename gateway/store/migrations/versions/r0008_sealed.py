"""Content under seal, kept apart.

Expand: new tables only.
"""

revision = "0008"
down_revision = "0007"
phase = "expand"


def upgrade() -> None:
    pass
