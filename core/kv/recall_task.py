"""Key-value recall among image tokens, a synthetic task: pictures of noise in which a few tiles say `K7`, a letter and
a digit, and a question after them, which digit is beside a letter.

A tile is a patch of the vision tower, so a token of the decoder. A seed tells every picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS: Final = "0123456789"
QUESTION: Final = "Which digit is beside {}?"
# Pixels of a tile each way, and tiles of a picture each way.
TILE, SIDE = 8, 8
# Rows of three pixels from above, each an octal digit.
_GLYPHS: Final = {
    "A": "25755", "B": "65656", "C": "34443", "D": "65556", "E": "74647", "F": "74644", "G": "34553", "H": "55755",
    "I": "72227", "J": "11152", "K": "55655", "L": "44447", "M": "57755", "N": "65555", "O": "25552", "P": "65644",
    "Q": "25573", "R": "65655", "S": "34216", "T": "72222", "U": "55557", "V": "55552", "W": "55775", "X": "55255",
    "Y": "55222", "Z": "71247", "0": "75557", "1": "26227", "2": "61247", "3": "61216", "4": "55711", "5": "74616",
    "6": "34757", "7": "71122", "8": "75757", "9": "75716",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures [images, rows, columns] of 8 bits, and what tiles say: a digit by letter, no letter twice.

    `places` of these tiles [pairs], counted by row through all pictures; as many in each picture.
    """

    pixels: NDArray[np.uint8]
    digits: dict[str, str]
    places: NDArray[np.int64]


def draw(images: int, pairs: int, rng: np.random.Generator) -> Pictures:
    """Pictures of noise with `pairs` tiles in each. Raises ValueError for more pairs than there are letters."""
    if images * pairs > len(LETTERS):
        raise ValueError(f"{images} pictures of {pairs} pairs need more than {len(LETTERS)} letters")
    letters = rng.permutation(list(LETTERS))[: images * pairs]
    digits = rng.choice(list(DIGITS), len(letters))
    tiles = _noise(images, rng)
    cells = np.concatenate([rng.permutation(SIDE**2)[:pairs] + image * SIDE**2 for image in range(images)])
    for cell, letter, digit in zip(cells, letters, digits, strict=True):
        tiles[cell // SIDE**2, cell % SIDE**2] = _tile(letter, digit)
    shaken = tiles + rng.normal(0, 12, tiles.shape)
    pixels = shaken.reshape(images, SIDE, SIDE, TILE, TILE).swapaxes(2, 3).reshape(images, SIDE * TILE, SIDE * TILE)
    said = dict(zip(letters.tolist(), digits.tolist(), strict=True))
    return Pictures(pixels.clip(0, 255).astype(np.uint8), said, cells)


def asked(letter: str, digit: str) -> tuple[str, str]:
    """A question and its answer. The answer begins with the letter: a digit alone would be told by the prompt's last
    token, before anything is dropped from the cache.
    """
    return QUESTION.format(letter), f"{letter} {digit}"


def vocabulary() -> list[str]:
    """Every word there is."""
    return [*QUESTION.format(" ").replace("?", " ?").split(), *LETTERS, *DIGITS]


def _noise(images: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Tiles [images, tiles, rows, columns] of blotches, each of a brightness and a grain of its own."""
    level = rng.uniform(40, 200, (images, SIDE * SIDE, 1, 1))
    grain = rng.uniform(0, 40, (images, SIDE * SIDE, 1, 1))
    return level + grain * rng.normal(size=(images, SIDE * SIDE, TILE, TILE))


def _tile(letter: str, digit: str) -> NDArray[np.float64]:
    """Dark, with the letter on the left and the digit on the right."""
    tile = np.full((TILE, TILE), 20.0)
    for left, sign in ((0, letter), (4, digit)):
        rows = [[int(row) >> place & 1 for place in (2, 1, 0)] for row in _GLYPHS[sign]]
        tile[1:6, left : left + 3] += 215.0 * np.array(rows)
    return tile
