"""Text queries from options and files: name -> prompt, in the order given."""

from __future__ import annotations

import sys
from pathlib import Path

from medpipe.cli.exits import BAD_STREAM, NO_STREAM, USAGE, Fatal


def collect_queries(texts: list[str] | None, file: str | None) -> dict[str, str]:
    """Queries of `-q` and `--queries`; Fatal 2 for none or a repeated name, 65 and 66 for a bad file."""
    found: dict[str, str] = {}
    given = [(text.strip(), text.strip()) for text in texts or []]
    for name, prompt in [*given, *(_from_file(file) if file is not None else [])]:
        if not prompt or not name.strip():
            raise Fatal(USAGE, "an empty query")
        if not name.isprintable() or not _is_text(prompt):
            raise Fatal(USAGE, f"the query {name!a} is not plain text")
        if name in found:
            raise Fatal(USAGE, f"the query {name!r} is given twice")
        found[name] = prompt
    if not found:
        raise Fatal(USAGE, "no query: give -q TEXT or --queries FILE")
    return found


def _is_text(prompt: str) -> bool:
    try:
        return bool(prompt.encode())
    except UnicodeEncodeError:
        return False


def _from_file(name: str) -> list[tuple[str, str]]:
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise Fatal(NO_STREAM, f"--queries {name}: {error.strerror}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Fatal(BAD_STREAM, f"--queries {name}: not UTF-8 text") from None
    if text.lstrip().startswith("["):
        raise Fatal(BAD_STREAM, f"--queries {name}: a JSON list; give one query a line, or an object of name to prompt")
    if text.lstrip().startswith("{"):
        return _from_json(name, text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise Fatal(BAD_STREAM, f"--queries {name}: holds no query")
    return [(line, line) for line in lines]


def _from_json(name: str, text: str) -> list[tuple[str, str]]:
    import json

    try:
        # Pairs rather than a dict: a name given twice must not vanish.
        pairs = json.loads(text, object_pairs_hook=list)
    except ValueError as error:
        raise Fatal(BAD_STREAM, f"--queries {name}: not JSON: {error}") from None
    if not pairs or not all(isinstance(value, str) and value.strip() for _, value in pairs):
        raise Fatal(BAD_STREAM, f"--queries {name}: must be a JSON object of name to prompt, both text")
    return [(key, value.strip()) for key, value in pairs]
