"""Vectors of texts: made once, found again beside the run or beside the one that it goes on from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medpipe.cli.training_text import text_vectors


class Lengths:
    """A text's vector is its length; counts the texts that it was given."""

    name, dim = "lengths", 2

    def __init__(self) -> None:
        self.asked = 0

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += len(texts)
        return np.array([[len(text), 1] for text in texts], np.float32)


def test_texts_are_encoded_once(tmp_path: Path) -> None:
    encoder, texts = Lengths(), ["a", "bb", ""] * 200
    first = text_vectors(encoder, texts, tmp_path / "text", quiet=True)
    assert first.shape == (600, 2) and first[1].tolist() == [2, 1] and encoder.asked == 600
    again = text_vectors(encoder, texts, tmp_path / "brain", quiet=True, beside=tmp_path / "text")
    assert np.array_equal(again, first) and encoder.asked == 600 and not (tmp_path / "brain").exists()
    text_vectors(encoder, texts[:-1], tmp_path / "brain", quiet=True, beside=tmp_path / "text")
    assert encoder.asked == 1199 and len(list((tmp_path / "brain").iterdir())) == 1
