"""Windows of a listener whose responses tell the words, as fmri-align writes them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pybase64

WORDS = [first + second for first in ("dog", "cow", "hen", "fox", "owl") for second in ("house", "door", "yard", "way")]
TIMES, VOXELS = 4, 6


def window(story: str, number: int, *, seed: int = 0) -> dict:
    """One window: a word in each volume, and voxels for words."""
    rng = np.random.default_rng([seed, number, *story.encode()])
    told = rng.integers(0, len(WORDS), TIMES)
    responses = (0.1 * rng.standard_normal((TIMES, VOXELS))).astype("<f4")
    responses[np.arange(TIMES), told % VOXELS] += 2
    volumes = [f"the {WORDS[place]}" if number % 3 else WORDS[place] for place in told]
    return {
        "id": f"{story}@{number}", "parent": story, "tr": 2.0, "story": story, "i": number, "t0": 8.0 * number,
        "t1": 8.0 * number + 8, "text": " ".join(volumes), "tr_texts": volumes, "alignment": {"lag_tr": 2},
        "responses": {
            "dtype": "<f4", "shape": [TIMES, VOXELS], "b64": pybase64.b64encode(responses.tobytes()).decode()
        },
    }  # fmt: skip


def write_windows(path: Path, stories: str, count: int = 8) -> Path:
    """Stories of so many windows; each has a letter for a name."""
    lines = [json.dumps(window(story, number)) for story in stories for number in range(count)]
    path.write_text("\n".join(lines) + "\n")
    return path
