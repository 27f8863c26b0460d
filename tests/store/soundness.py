"""What must hold of every SQLite store at every moment, read with a plain connection."""

import sqlite3
from pathlib import Path

_NONE_OF: dict[str, str] = {
    "a lead without deliveries": """
        SELECT id FROM leads WHERE id NOT IN (SELECT lead FROM deliveries)""",
    "a counter that is not what is counted": """
        SELECT destination, status, n FROM delivery_counts AS c
        WHERE n <> (SELECT count(*) FROM deliveries AS d
                    WHERE ifnull(d.destination, '') = c.destination AND d.status = c.status)""",
    "deliveries without a counter": """
        SELECT id FROM deliveries AS d
        WHERE NOT EXISTS (SELECT 1 FROM delivery_counts AS c
                          WHERE c.destination = ifnull(d.destination, '')
                            AND c.status = d.status)""",
    "a segment whose leads are not what it says": """
        SELECT segment FROM segments AS s
        WHERE leads <> (SELECT count(*) FROM leads AS l WHERE l.segment = s.id)""",
    "a completed delivery that no attempt completed": """
        SELECT id FROM deliveries AS d
        WHERE status = 'completed' AND NOT EXISTS (
          SELECT 1 FROM attempts AS a
          WHERE a.delivery = d.id AND a.fence = d.fence AND a.outcome = 'completed')""",
    "an attempt that counted, twice for one claim": """
        SELECT delivery FROM attempts GROUP BY delivery, fence HAVING count(*) > 1""",
    "a fence beyond the last claim": """
        SELECT a.id FROM attempts AS a JOIN deliveries AS d ON d.id = a.delivery
        WHERE a.fence > d.fence""",
    "a broken reference": "PRAGMA foreign_key_check",
}


def faults_of(database: Path) -> list[str]:
    """What is wrong with a store; nothing: an empty list."""
    connection = sqlite3.connect(database)
    try:
        faults = [name for name, sql in _NONE_OF.items() if connection.execute(sql).fetchone()]
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    finally:
        connection.close()
    return faults if verdict == "ok" else [*faults, verdict]
