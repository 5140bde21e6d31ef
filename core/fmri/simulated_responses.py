"""Features and responses of a simulated listener as arrays, without the images around them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medpipe.core.fmri.scan_noise import scan_noise
from medpipe.core.fmri.simulated_scan import mixed
from medpipe.core.fmri.simulated_subject import Spread, make_subject
from medpipe.core.fmri.story import make_story, read_topics
from medpipe.core.fmri.word_vectors import WordVectors, impulses, word_features

_START = _TAIL = 10.0

Stories = list[NDArray[np.float32]]


def simulated_responses(
    seconds: Sequence[float], explainable: float, seed: int, voxels: int = 400, dim: int = 32, tr: float = 2.0
) -> tuple[Stories, Stories]:
    """What a listener with half of the voxels silent heard and how the voxels responded, story by story.

    Args:
        seconds: length of each story; 10 s of silence lie before it and after it.
        explainable: variance of the voxels that respond, from 0 to 1.
        seed: of everything.
        voxels: how many.
        dim: length of the words' vectors.
        tr: seconds.

    Returns:
        Features [time, dim + 1], the number of words last, and responses [time, voxels], z-scored in each story.
    """
    topics = read_topics()
    vectors = WordVectors(dim, topics)
    told = [
        make_story(f"story{place + 1:02d}", length, topics, np.random.default_rng([seed, 0, place]))
        for place, length in enumerate(seconds)
    ]
    volumes = [int(np.ceil((_START + one.seconds + _TAIL) / tr - 1e-9)) for one in told]
    courses = [impulses(one, vectors, _START, count * tr) for one, count in zip(told, volumes, strict=True)]
    noises = [scan_noise(count, voxels, np.random.default_rng([seed, 2, place])) for place, count in enumerate(volumes)]
    responses = [one.values for one in noises]
    if explainable > 0:
        subject = make_subject(voxels, Spread.of(courses, tr, dim + 1), np.random.default_rng([seed, 1]))
        responses = [
            mixed(subject, subject.signal(course, tr), noise, explainable)
            for course, noise in zip(courses, noises, strict=True)
        ]
    features = [word_features(one, vectors, _START, tr, count) for one, count in zip(told, volumes, strict=True)]
    return features, [(one - one.mean(axis=0)) / one.std(axis=0) for one in responses]
