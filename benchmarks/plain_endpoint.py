"""What one would write in an afternoon: FastAPI and SQLite, durable, one commit per request.

It keeps the promise that its 200 makes (WAL, synchronous=FULL), and nothing else of Leadkeep.
"""

import os
import sqlite3
import threading

from fastapi import FastAPI, Request

app = FastAPI()
_lock = threading.Lock()
_db = sqlite3.connect(
    os.environ["PLAIN_ENDPOINT_DB"], check_same_thread=False, isolation_level=None
)
_db.execute("PRAGMA journal_mode=WAL")
_db.execute("PRAGMA synchronous=FULL")
_db.execute(
    "CREATE TABLE IF NOT EXISTS lead_queue (id INTEGER PRIMARY KEY, payload BLOB, status TEXT)"
)


def store(payload: bytes) -> int:
    """One lead, one commit."""
    with _lock:
        cursor = _db.execute(
            "INSERT INTO lead_queue (payload, status) VALUES (?, 'pending')", (payload,)
        )
        return cursor.lastrowid or 0


@app.post("/{path:path}")
async def webhook(path: str, request: Request) -> dict[str, object]:
    """Take a lead."""
    return {"success": True, "lead_id": store(await request.body())}
