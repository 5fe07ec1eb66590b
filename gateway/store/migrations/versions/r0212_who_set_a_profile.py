"""A version of an agency's setting keeps the name of who set it, because verdicts that used the setting tell it.

Expand: a program of before writes no name, and the verdict then tells none.
"""

from alembic import op

revision = "0212"
down_revision = "0211"
phase = "expand"


def upgrade() -> None:
    op.execute("ALTER TABLE agency_profile ADD COLUMN set_by_name VARCHAR DEFAULT '' NOT NULL")
    op.execute(
        "UPDATE agency_profile SET set_by_name = COALESCE("
        "(SELECT name FROM principal WHERE principal.id = agency_profile.set_by), '')"
    )
