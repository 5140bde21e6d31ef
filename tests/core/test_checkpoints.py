from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO
from urllib.request import urlopen

import pytest

from medpipe.core import checkpoints
from medpipe.core.checkpoints import Known
from medpipe.core.errors import ModelError

CONTENT = b"PK\3\4" + bytes(range(256)) * 9000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDPIPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    file = tmp_path / "mine.pth"
    file.write_bytes(CONTENT)
    return file


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(checkpoint: Path) -> Iterator[str]:
    """A server of the checkpoint's folder; stands in for an https address behind `through`."""
    handler = partial(Quiet, directory=str(checkpoint.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def known(sha256: str | None = DIGEST, url: str | None = "https://example.org/mine.pth") -> tuple[Known, ...]:
    return (Known("wanted.pth", "merl-resnet18", "MIT", sha256, url, "a place of its own"),)


def through(server: str, url: str) -> IO[bytes]:
    return urlopen(url.replace("https://example.org", server), timeout=10)


def test_what_is_added_is_found_by_name_and_digest_and_verified(checkpoint: Path) -> None:
    entry = checkpoints.add("mine", checkpoint, "merl-resnet18")
    assert entry.sha256 == DIGEST
    assert checkpoints.registered() == {"mine": entry}
    assert checkpoints.find("mine") == checkpoints.find_by_digest(DIGEST) == entry
    assert checkpoints.verify("mine").matches is True
    assert checkpoints.verify(str(checkpoint)).matches is None
    checkpoint.write_bytes(CONTENT[1:])
    assert checkpoints.verify("mine").matches is False


def test_a_folder_with_one_checkpoint_may_be_added(checkpoint: Path) -> None:
    assert checkpoints.add("mine", checkpoint.parent).path == str(checkpoint)


def test_removing_forgets_the_name_and_keeps_the_file(checkpoint: Path) -> None:
    checkpoints.add("mine", checkpoint)
    checkpoints.add("other", checkpoint)
    checkpoints.remove("mine")
    assert list(checkpoints.registered()) == ["other"]
    assert checkpoint.exists()
    with pytest.raises(ModelError, match="no checkpoint is registered as mine"):
        checkpoints.remove("mine")


@pytest.mark.parametrize("name", ["default", "smoke", "", "a/b", "-x", "a b", "x" * 200])
def test_names_that_mean_something_else_are_refused(checkpoint: Path, name: str) -> None:
    with pytest.raises(ModelError, match="name"):
        checkpoints.add(name, checkpoint)


def test_a_missing_file_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no checkpoint at") as caught:
        checkpoints.add("mine", tmp_path / "nothing.pth")
    assert caught.value.unavailable


@pytest.mark.parametrize("text", ["", "{", "[]", '{"models": [{"name": "x"}]}', '{"models": 3}'])
def test_a_damaged_list_is_said_and_not_overwritten(own_home: Path, checkpoint: Path, text: str) -> None:
    own_home.mkdir()
    (own_home / "models.json").write_text(text)
    with pytest.raises(ModelError, match="damaged"):
        checkpoints.add("mine", checkpoint)
    assert (own_home / "models.json").read_text() == text


def test_the_list_is_replaced_whole(own_home: Path, checkpoint: Path) -> None:
    for number in range(5):
        checkpoints.add(f"mine{number}", checkpoint)
    assert [path.name for path in own_home.iterdir()] == ["models.json"]


def test_home_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MEDPIPE_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert checkpoints.home() == tmp_path / "medpipe"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert checkpoints.home() == Path.home() / ".local" / "share" / "medpipe"


def test_fetching_checks_the_digest_and_registers(server: str, own_home: Path) -> None:
    entry = checkpoints.fetch("wanted.pth", partial(through, server), known())
    assert Path(entry.path).read_bytes() == CONTENT
    assert checkpoints.registered()["wanted.pth"].arch == "merl-resnet18"
    assert [path.name for path in (own_home / "checkpoints").iterdir()] == ["wanted.pth"]


def test_a_wrong_digest_leaves_nothing_behind(server: str, own_home: Path) -> None:
    with pytest.raises(ModelError, match=f"{DIGEST}, not {'0' * 64}"):
        checkpoints.fetch("wanted.pth", partial(through, server), known(sha256="0" * 64))
    assert list((own_home / "checkpoints").iterdir()) == []
    assert checkpoints.registered() == {}


def test_without_a_server_it_is_unavailable() -> None:
    with pytest.raises(ModelError, match="could not be fetched") as caught:
        checkpoints.fetch("wanted.pth", partial(through, "http://127.0.0.1:9"), known())
    assert caught.value.unavailable


def test_only_https_with_a_known_digest_is_fetched() -> None:
    with pytest.raises(ModelError, match="without https"):
        checkpoints.fetch("wanted.pth", None, known(url="http://example.org/mine.pth"))
    with pytest.raises(ModelError, match="a place of its own"):
        checkpoints.fetch("wanted.pth", None, known(sha256=None))
    with pytest.raises(ModelError, match="no known checkpoint"):
        checkpoints.fetch("nothing")


def test_every_known_checkpoint_says_where_it_is_to_be_had() -> None:
    assert "default" in {entry.name for entry in checkpoints.CATALOGUE}
    for entry in checkpoints.CATALOGUE:
        assert entry.where
        assert entry.url is None or (entry.url.startswith("https://") and entry.sha256)


def test_what_is_no_checkpoint_is_not_registered(tmp_path: Path) -> None:
    for content in (b"", b"not weights at all\n", b"<html>sign in</html>"):
        (tmp_path / "page.pth").write_bytes(content)
        with pytest.raises(ModelError, match="is no checkpoint"):
            checkpoints.add("page", tmp_path / "page.pth")
    assert not checkpoints.registered()
