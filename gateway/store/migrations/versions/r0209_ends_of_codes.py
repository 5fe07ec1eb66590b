"""How a code ended stands beside the code, so that an answer about one code does not read a decision about a thousand.

Expand. Of a change approved before, the decision is read as it was.
"""

from alembic import op

revision = "0209"
down_revision = "0208"
phase = "expand"


def upgrade() -> None:
    op.execute("ALTER TABLE registry_reform_code ADD COLUMN ending TEXT")
