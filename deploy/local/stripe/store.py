"""What the simulated provider remembers, in SQLite, by merchant (API key)."""

import json
import secrets
import sqlite3
import time
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, merchant TEXT NOT NULL, id TEXT NOT NULL,
  kind TEXT NOT NULL, account TEXT NOT NULL, created INTEGER NOT NULL, data TEXT NOT NULL,
  UNIQUE (merchant, id));
CREATE INDEX IF NOT EXISTS objects_kind ON objects (merchant, kind, seq);
CREATE TABLE IF NOT EXISTS answers (
  merchant TEXT NOT NULL, key TEXT NOT NULL, request TEXT NOT NULL, status INTEGER NOT NULL,
  body TEXT NOT NULL, PRIMARY KEY (merchant, key));
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, merchant TEXT NOT NULL, id TEXT NOT NULL,
  type TEXT NOT NULL, payload TEXT NOT NULL, sent INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS events_waiting ON events (sent, due);
CREATE TABLE IF NOT EXISTS balances (
  merchant TEXT NOT NULL, account TEXT NOT NULL, currency TEXT NOT NULL, amount INTEGER NOT NULL,
  PRIMARY KEY (merchant, account, currency));
"""


def new_id(prefix: str) -> str:
    """An id in the provider's shape."""
    return f"{prefix}_{secrets.token_hex(12)}"


class Store:
    """The books of all merchants; calls are short and come from one event loop."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + _SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def begin(self) -> None:
        """Start a request's transaction."""
        self._db.execute("BEGIN")

    def end(self, *, keep: bool) -> None:
        """End a request's transaction."""
        self._db.execute("COMMIT" if keep else "ROLLBACK")

    def reset(self, merchant: str) -> None:
        """Forget everything of one merchant."""
        for table in ("objects", "answers", "events", "balances"):
            self._db.execute(f"DELETE FROM {table} WHERE merchant = ?", (merchant,))  # noqa: S608

    def put(self, merchant: str, item: Json, *, account: str = "") -> Json:
        """Keep a new or a changed object."""
        self._db.execute(
            "INSERT INTO objects (merchant, id, kind, account, created, data)"
            " VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (merchant, id) DO UPDATE SET data = excluded.data",
            (merchant, item["id"], item["object"], account, item["created"], json.dumps(item)),
        )
        return item

    def get(self, merchant: str, id: str, kind: str) -> Json | None:
        """An object, if it is of that kind."""
        row = self._db.execute(
            "SELECT data FROM objects WHERE merchant = ? AND id = ? AND kind = ?",
            (merchant, id, kind),
        ).fetchone()
        return json.loads(row[0]) if row else None

    def all(self, merchant: str, kind: str, *, account: str | None = None) -> list[Json]:
        """All objects of a kind, the newest first."""
        rows = self._db.execute(
            "SELECT data FROM objects WHERE merchant = ? AND kind = ?"
            " AND (? IS NULL OR account = ?) ORDER BY seq DESC",
            (merchant, kind, account, account),
        )
        return [json.loads(row[0]) for row in rows]

    def answer(self, merchant: str, key: str) -> tuple[str, int, str] | None:
        """What was asked and answered under an idempotency key."""
        row: tuple[str, int, str] | None = self._db.execute(
            "SELECT request, status, body FROM answers WHERE merchant = ? AND key = ?",
            (merchant, key),
        ).fetchone()
        return row

    def keep_answer(self, merchant: str, key: str, request: str, status: int, body: str) -> None:
        """Remember an answer under its idempotency key."""
        self._db.execute(
            "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)",
            (merchant, key, request, status, body),
        )

    def balance(self, merchant: str, account: str, currency: str) -> int:
        """What an account holds; the platform's own is named ''."""
        row = self._db.execute(
            "SELECT amount FROM balances WHERE merchant = ? AND account = ? AND currency = ?",
            (merchant, account, currency),
        ).fetchone()
        return int(row[0]) if row else 0

    def balances(self, merchant: str, account: str) -> dict[str, int]:
        """What an account holds, by currency."""
        rows = self._db.execute(
            "SELECT currency, amount FROM balances WHERE merchant = ? AND account = ?",
            (merchant, account),
        )
        return dict(rows.fetchall())

    def move(self, merchant: str, account: str, currency: str, amount: int) -> None:
        """Change what an account holds."""
        self._db.execute(
            "INSERT INTO balances VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET amount = amount + excluded.amount",
            (merchant, account, currency, amount),
        )

    def emit(self, merchant: str, type: str, item: Json, *, account: str = "") -> None:
        """Queue a notification about an object as it is now."""
        event: Json = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": "2026-01-01",
            "created": int(time.time()),
            "type": type,
            "livemode": False,
            "pending_webhooks": 1,
            "data": {"object": item},
        }
        if account:
            event["account"] = account
        self._db.execute(
            "INSERT INTO events (merchant, id, type, payload) VALUES (?, ?, ?, ?)",
            (merchant, event["id"], type, json.dumps(event)),
        )

    def events(self, merchant: str | None = None, *, waiting: bool = True) -> list[Json]:
        """Notifications, the oldest first; `waiting` gives those that are due and not sent."""
        rows = self._db.execute(
            "SELECT seq, id, type, payload, attempts FROM events"
            " WHERE (? IS NULL OR merchant = ?) AND (NOT ? OR (sent = 0 AND due <= ?))"
            " ORDER BY seq",
            (merchant, merchant, waiting, time.time()),
        )
        names = ("seq", "id", "type", "payload", "attempts")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def settle(self, seq: int, *, retry_in: float | None = None) -> None:
        """Mark a notification as sent, or put it off."""
        if retry_in is None:
            self._db.execute("UPDATE events SET sent = 1 WHERE seq = ?", (seq,))
        else:
            self._db.execute(
                "UPDATE events SET attempts = attempts + 1, due = ? WHERE seq = ?",
                (time.time() + retry_in, seq),
            )
