"""Answers of a language model, kept in an SQLite file so that no report is asked about twice."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

from medpipe.core.errors import ModelError


class AnswerCache:
    """Answers by the digest of model and prompt; several processes may share one. Raises ModelError."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._store = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._store.execute("PRAGMA journal_mode=WAL")
            self._store.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)")
        except (OSError, sqlite3.Error) as error:
            raise ModelError(f"the cache {path} cannot be opened: {error}") from None
        self._path = path

    def get(self, model: str, prompt: str) -> str | None:
        """The answer that is held, if there is one."""
        row = self._run("SELECT answer FROM answers WHERE key = ?", (_key(model, prompt),)).fetchone()
        return None if row is None else str(row[0])

    def put(self, model: str, prompt: str, answer: str) -> None:
        """Keep an answer."""
        self._run("INSERT OR REPLACE INTO answers VALUES (?, ?)", (_key(model, prompt), answer))

    def _run(self, statement: str, values: tuple[str, ...]) -> sqlite3.Cursor:
        try:
            return self._store.execute(statement, values)
        except sqlite3.Error as error:
            raise ModelError(f"the cache {self._path} fails: {error}") from None


def _key(model: str, prompt: str) -> str:
    return hashlib.sha256(f"{model}\0{prompt}".encode()).hexdigest()
