"""Words come out the same from every form that they are kept in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transcripts import WORDS, long_textgrid, short_textgrid

from medpipe.formats.errors import FormatError
from medpipe.formats.transcript import read_transcript

ROWS = "".join(f"{onset}\t{offset - onset}\t{word}\n" for onset, offset, word in WORDS)
LINES = "".join(json.dumps({"word": word, "start": onset, "end": offset}) + "\n" for onset, offset, word in WORDS)
FORMS = {
    "long": long_textgrid().encode(),
    "short": short_textgrid().encode(),
    "utf16": long_textgrid().encode("utf-16"),
    "utf16be": b"\xfe\xff" + short_textgrid().encode("utf-16-be"),
    "bom": b"\xef\xbb\xbf" + long_textgrid().encode(),
    "latin": short_textgrid().encode("latin-1"),
    "crlf": long_textgrid().replace("\n", "\r\n").encode(),
    "table": f"onset\tduration\tword\n{ROWS}".encode(),
    "lines": LINES.encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_words(tmp_path: Path, form: str) -> None:
    (tmp_path / "story.x").write_bytes(FORMS[form])
    found = read_transcript(str(tmp_path / "story.x"))
    spoken = [word for word in found.words if word.text]
    assert [word.text for word in spoken] == [word for _, _, word in WORDS]
    assert [(word.onset, pytest.approx(word.offset)) for word in spoken] == [(on, off) for on, off, _ in WORDS]
    assert found.end == (WORDS[-1][1] if form in ("table", "lines") else 30)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(TEXTS, min_size=1, max_size=6), st.booleans())
def test_any_text_survives_a_textgrid(tmp_path: Path, texts: list[str], long: bool) -> None:
    words = [(float(n), n + 0.5, text) for n, text in enumerate(texts)]
    content = (long_textgrid if long else short_textgrid)(words)
    (tmp_path / "x.TextGrid").write_bytes(content.encode("utf-16"))
    assert [word.text for word in read_transcript(str(tmp_path / "x.TextGrid")).words] == texts


def test_tiers_are_chosen_by_name_or_by_their_number_from_one(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(long_textgrid())
    assert [word.text for word in read_transcript(str(path), "1").words] == ["HH", "AH0"]
    assert read_transcript(str(path), "2") == read_transcript(str(path), "Word") == read_transcript(str(path))
    for wrong in ("3", "0", "words", "phrase"):
        with pytest.raises(FormatError, match=f"no tier {wrong}; there are: 1 phone, 2 word") as caught:
            read_transcript(str(path), wrong)
        assert caught.value.kind == "missing-tier"
    path.write_text(long_textgrid().replace('"word"', '"wrd"'))
    with pytest.raises(FormatError, match="no tier called word or words; there are: 1 phone, 2 wrd"):
        read_transcript(str(path))


def test_a_sole_tier_of_another_name_is_not_taken_for_words(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(long_textgrid().split("    item [2]:")[0].replace("size = 2\n", "size = 1\n", 1))
    assert read_transcript(str(path), "phone").words
    for asked, said in ((None, "no tier called word or words; there are: 1 phone"), ("speech", "no tier speech")):
        with pytest.raises(FormatError, match=said):
            read_transcript(str(path), asked)


def test_a_tier_is_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(long_textgrid().replace('"phone"', '"words"'))
    with pytest.raises(FormatError, match="2 tiers of words, choose by number: 1 words, 2 word"):
        read_transcript(str(path))
    path.write_text(f"onset\tduration\tword\n{ROWS}")
    with pytest.raises(FormatError, match="no tier word: the words are a table"):
        read_transcript(str(path), "word")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("/annex/objects/MD5E-s9--0.TextGrid\n", "git annex get"),
        ("version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("onset\tduration\n1\t2\n", "need onset, in seconds, and word"),
        ("onset\tword\nsoon\ta\n", "no number"),
        ("onset\tword\nnan\ta\n", "no number"),
        ('{"word":"a","onset":1}\n{"word"\n', "no JSON"),
        ("onset\tword\n", "no word"),
        ('File type = "ooTextFile"\nObject class = "Sound"\n', "no TextGrid"),
    ],
)
def test_what_is_no_transcript_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "x.txt").write_text(content)
    with pytest.raises(FormatError, match=said):
        read_transcript(str(tmp_path / "x.txt"))


def test_a_textgrid_that_is_cut_anywhere_is_damaged(tmp_path: Path) -> None:
    whole = long_textgrid()
    for size in range(60, len(whole) - 12, 7):
        (tmp_path / "x.TextGrid").write_text(whole[:size])
        with pytest.raises(FormatError):
            read_transcript(str(tmp_path / "x.TextGrid"), "2")
