"""Answers of authorities about certificates.

Expand: new tables only.
"""

revision = "0007"
down_revision = "0006"
phase = "expand"


def upgrade() -> None:
    pass
