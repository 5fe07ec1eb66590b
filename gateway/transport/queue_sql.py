"""The embedded axis's own SQLite file in words: its three tables and every statement. Text only; `embedded` runs it.
A queue row is one parcel for one recipient code; `payload` has the bytes of small ones, once for all their rows.
`hosting` says which nodes may take rows of a code; codes are compared through `folded`. A row is due while it is not dead
and its lease, if any, has run out; a lease that ends beyond `:far` was written by a clock that was ahead, and is over
too."""

SCHEMA_VERSION = 3
_PAYLOAD = "CREATE TABLE IF NOT EXISTS payload (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL)"

SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS hosting (
    folded TEXT NOT NULL, node TEXT NOT NULL, code TEXT NOT NULL, PRIMARY KEY (folded, node)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    folded TEXT NOT NULL, lane INTEGER NOT NULL, recipient TEXT NOT NULL, packet_id TEXT NOT NULL,
    kind TEXT NOT NULL, sender TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
    published_at REAL NOT NULL, deliveries INTEGER NOT NULL DEFAULT 0,
    token TEXT, leased_until REAL NOT NULL DEFAULT 0, dead_at REAL, dead_reason TEXT, node TEXT
);
{_PAYLOAD};
CREATE INDEX IF NOT EXISTS queue_due ON queue (folded, dead_at, lane, id, leased_until);
CREATE INDEX IF NOT EXISTS queue_digest ON queue (digest);
CREATE UNIQUE INDEX IF NOT EXISTS queue_token ON queue (token) WHERE token IS NOT NULL;
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

# By the format that a file has: what brings it to the next one, in one transaction. Before format 3 every payload was a
# file; those that wait stay files until they are taken.
UPGRADES = {
    1: ("ALTER TABLE queue ADD COLUMN node TEXT", "PRAGMA user_version = 2"),
    2: (_PAYLOAD, "PRAGMA user_version = 3"),
}

HOSTED = "SELECT DISTINCT folded FROM hosting WHERE folded IN (SELECT value FROM json_each(?))"
FORGET_NODE = "DELETE FROM hosting WHERE node = ?"
HOST = "INSERT INTO hosting (folded, node, code) VALUES (?, ?, ?)"

PUT = """
INSERT INTO queue (folded, lane, recipient, packet_id, kind, sender, digest, size, published_at, node)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

PUT_BYTES = "INSERT INTO payload (digest, bytes) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING"
BYTES_OF = "SELECT digest, bytes FROM payload WHERE digest IN (SELECT value FROM json_each(?))"
FORGET_BYTES = """
DELETE FROM payload WHERE digest = :digest AND NOT EXISTS (SELECT 1 FROM queue WHERE digest = :digest)
"""

# CROSS: the codes first, then the rows of each; SQLite would walk through the whole queue in order of its keys.
_OF_NODE = """
hosting h CROSS JOIN queue q ON q.folded = h.folded
WHERE h.node = :node AND q.dead_at IS NULL AND (q.leased_until <= :now OR q.leased_until > :far)
"""
ANY_DUE = f"SELECT 1 FROM {_OF_NODE} LIMIT 1"  # noqa: S608 - our own words, here and below


def _due(lane: str) -> str:
    """The inner part is answered from the index alone, so a long backlog is sorted without reading its rows."""
    return f"""
WITH due AS (SELECT q.id, q.lane, h.code FROM {_OF_NODE} {lane} ORDER BY q.lane, q.id LIMIT :most)
SELECT q.id, due.code, q.packet_id, q.kind, q.sender, q.lane, q.digest, q.size, q.deliveries, q.node
FROM due JOIN queue q ON q.id = due.id ORDER BY due.lane, due.id
"""  # noqa: S608


DUE = _due("")
DUE_ORDINARY = _due("AND q.lane = 1")
LEASE = "UPDATE queue SET token = ?, leased_until = ?, deliveries = deliveries + 1 WHERE id = ?"
BURY = "UPDATE queue SET dead_at = ?, dead_reason = ?, token = NULL, leased_until = 0 WHERE id = ?"

# Both name the token of the lease: a consumer that wakes late finds it changed and touches nothing.
DONE = "DELETE FROM queue WHERE token = ?"
AGAIN = "UPDATE queue SET token = NULL, leased_until = 0 WHERE token = ?"

STILL_NEEDED = "SELECT 1 FROM queue WHERE digest = ? LIMIT 1"
NEEDED_OF = "SELECT DISTINCT digest FROM queue WHERE digest IN (SELECT value FROM json_each(?))"

DEAD = """
SELECT id, recipient, packet_id, kind, sender, lane, digest, size, deliveries, dead_at, dead_reason
FROM queue WHERE dead_at IS NOT NULL ORDER BY id
"""
REVIVE = """
UPDATE queue SET dead_at = NULL, dead_reason = NULL, deliveries = 0 WHERE id = ? AND dead_at IS NOT NULL
"""
DROP_DEAD = "DELETE FROM queue WHERE id = ? AND dead_at IS NOT NULL RETURNING digest, packet_id, recipient"

_IS_LEASED = "leased_until > :now AND leased_until <= :far"
COUNTS = f"""
SELECT COALESCE(SUM(dead_at IS NULL AND NOT ({_IS_LEASED})), 0),
       COALESCE(SUM(dead_at IS NULL AND NOT ({_IS_LEASED}) AND lane = 0), 0),
       COALESCE(SUM(dead_at IS NULL AND {_IS_LEASED}), 0),
       COALESCE(SUM(dead_at IS NOT NULL), 0),
       COALESCE(SUM(dead_at IS NULL AND leased_until > :far), 0)
FROM queue
"""  # noqa: S608
