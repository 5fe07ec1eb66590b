"""The server's index of words of files also has the days of a page, so that a search reads the newest matches alone.

Expand. Nodes that run the version before search without an index until they are replaced; few documents have words yet.
"""

from alembic import op

revision = "0208"
down_revision = "0207"
phase = "expand"

# A place begins with the agency and the second; its upper bits name three days. In capitals, as words of files are not.
_ON_SERVER = (
    "DROP INDEX ix_content_search",
    "CREATE INDEX ix_content_search ON content_text USING gin (array_to_tsvector(string_to_array("
    "agency_id || ' T' || CAST(place >> 35 AS VARCHAR) || rtrim(folded), ' ')))",
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for statement in _ON_SERVER:
            op.execute(statement)
