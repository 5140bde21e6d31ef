"""Ids from paths, and repeats found in little memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.formats.ids import SeenIds, path_id


@pytest.mark.parametrize(
    ("path", "scheme", "ident"),
    [
        ("./a/b.hea", "path", "a/b"),
        ("/x/b.dat", "path", "/x/b"),
        ("a/b.hea", "stem", "b"),
        ("a/b.jsonl.gz", "path", "a/b"),
        (".hea", "path", ".hea"),
        ("a/b.c", "path", "a/b.c"),
    ],
)
def test_a_path_without_its_suffix(path: str, scheme: str, ident: str) -> None:
    assert path_id(path, scheme) == ident


def test_a_hash_shows_nothing_of_the_path() -> None:
    assert path_id("ward3/smith.hea", "hash") == path_id("./ward3/smith.dat", "hash")
    assert "smith" not in path_id("ward3/smith.hea", "hash")


@given(st.lists(st.text("ab~23", max_size=4), max_size=60))
def test_repeats_are_found_and_get_names_of_their_own(idents: list[str]) -> None:
    seen, names = SeenIds(), []
    names.extend(ident if seen.add(ident) else seen.repeat_name(ident) for ident in idents)
    assert len(set(names)) == len(names)


def test_a_million_ids_take_at_most_sixteen_bytes_each() -> None:
    seen = SeenIds()
    for number in range(200_000):
        assert seen.add(str(number))
    assert seen._table.nbytes <= 16 * len(seen)
