"""Simulated listeners: closed forms of the response, the noise and the explainable variance."""

from itertools import pairwise

import numpy as np
import pytest

from medpipe.core.fmri.autoregressive import autoregressive
from medpipe.core.fmri.hrf import double_gamma
from medpipe.core.fmri.scan_noise import PHI, SHARES, scan_noise
from medpipe.core.fmri.simulated_confounds import MOTION, confounds
from medpipe.core.fmri.simulated_scan import SLOPE, counts, make_head, mixed
from medpipe.core.fmri.simulated_subject import PEAKS, Spread, make_subject, responses
from medpipe.core.fmri.story import TICK, Story, make_story, read_topics
from medpipe.core.fmri.voxel_scores import explainable_variance
from medpipe.core.fmri.word_vectors import WordVectors, impulses, word_features

TOPICS = read_topics()
VECTORS = WordVectors(32, TOPICS)
TR, START = 2.0, 10.0


def told(seed: int, seconds: float = 300.0) -> Story:
    return make_story("story", seconds, TOPICS, np.random.default_rng(seed))


def course(story: Story) -> np.ndarray:
    return impulses(story, VECTORS, START, START + story.seconds + 10)


def test_the_response_peaks_undershoots_and_has_its_area() -> None:
    times = np.arange(0, 200, 0.001)
    response = double_gamma(times)
    # The mode of a gamma density of shape 6 is 5; the undershoot moves it by less than a hundredth.
    assert times[response.argmax()] == pytest.approx(5.0, abs=0.01)
    assert response.sum() * 0.001 == pytest.approx(1 - 1 / 6, abs=1e-4)
    # 5^5 e^-5 / 5!, less a sixth of 5^15 e^-5 / 15!.
    assert double_gamma(np.array([5.0]))[0] == pytest.approx(0.17538 - 0.00016 / 6, abs=2e-4)
    assert times[response.argmin()] == pytest.approx(15.8, abs=0.3) and response.min() < 0
    assert (double_gamma(np.array([-3.0, 0.0])) == 0).all()


def test_a_moment_of_speech_becomes_the_response_at_the_middle_of_each_volume() -> None:
    moment = np.zeros((600, 1))
    moment[100] = 1
    for peak, sampled in zip(PEAKS, responses(moment, TR), strict=True):
        times = (np.arange(30) + 0.5) * TR - 10
        expected = np.where(times < 32, double_gamma(times, peak, 16 + peak - 6), 0)
        assert sampled[:, 0] == pytest.approx(expected, abs=1e-12)


def test_noise_remembers_as_it_says_and_has_a_variance_of_one() -> None:
    noise = autoregressive(4000, 50, PHI, np.random.default_rng(0))
    for lag in (1, 2, 3):
        found = (noise[lag:] * noise[:-lag]).mean() / (noise**2).mean()
        # 200,000 values: the standard error is 0.0024 with what they share.
        assert found == pytest.approx(PHI**lag, abs=0.012)
    assert (noise**2).mean() == pytest.approx(1, abs=0.015)
    assert (noise[0] ** 2).mean() == pytest.approx(1, abs=0.8)
    whole = scan_noise(3000, 200, np.random.default_rng(1))
    assert whole.values.var(axis=0).mean() == pytest.approx(1, abs=0.02) and sum(SHARES.values()) == pytest.approx(1)


def test_the_signal_has_a_variance_of_one_over_all_stories_and_silent_voxels_have_none() -> None:
    courses = [course(told(seed)) for seed in range(4)]
    spread = Spread.of(courses, TR, 33)
    subject = make_subject(300, spread, np.random.default_rng(0))
    signal = np.concatenate([subject.signal(one, TR) for one in courses])
    assert signal.var(axis=0)[subject.active] == pytest.approx(np.ones(int(subject.active.sum())), abs=1e-3)
    assert not signal[:, ~subject.active].any()
    # Half of 300: four standard deviations are 35.
    assert abs(int(subject.active.sum()) - 150) < 35
    assert set(subject.delays) <= set(range(21)) and (subject.weights == 0).mean() > 0.8


@pytest.mark.parametrize("asked", [0.05, 0.3])
def test_the_explainable_variance_is_what_was_asked(asked: float) -> None:
    courses = [course(told(seed)) for seed in range(3)]
    subject = make_subject(400, Spread.of(courses, TR, 33), np.random.default_rng(0))
    found = []
    for one in courses:
        signal = subject.signal(one, TR)
        runs = [
            mixed(subject, signal, scan_noise(*signal.shape, np.random.default_rng([2, run])), asked)
            for run in range(8)
        ]
        found.append(explainable_variance(np.stack(runs)))
    mean = np.mean(found, axis=0)
    # 28 pairs of runs of 160 volumes in 200 voxels: the standard error is below 0.002.
    assert mean[subject.active].mean() == pytest.approx(asked, abs=0.008)
    assert mean[~subject.active].mean() == pytest.approx(0, abs=0.006)


def test_without_explainable_variance_a_scan_does_not_know_the_words() -> None:
    one, other = course(told(0)), course(told(1))
    spread = Spread.of([one, other], TR, 33)
    subject = make_subject(50, spread, np.random.default_rng(0))
    noise = scan_noise(len(one) // 20, 50, np.random.default_rng(3))
    made = [mixed(subject, subject.signal(said, TR), noise, 0.0) for said in (one, other)]
    assert (made[0] == made[1]).all() and (made[0] == noise.values).all()


def test_stories_keep_their_grid_their_pace_and_their_topics() -> None:
    story = told(0, 600.0)
    steps = np.diff(story.onsets)
    assert story.onsets == pytest.approx(np.round(story.onsets / TICK) * TICK) and steps.min() > TICK / 2
    # 1760 intervals with a deviation of 0.17 s: the standard error is 0.004.
    assert steps.mean() == pytest.approx(0.34, abs=0.016)
    assert (story.ends[:-1] <= story.onsets[1:] + 1e-9).all() and story.ends[-1] <= 600
    assert story.words[:8] == GOLDEN
    own = {word: topic.name for topic in TOPICS for words in topic.words.values() for word in words}
    named = [own[word] for word in story.words if word in own]
    same = np.mean([a == b for a, b in pairwise(named)])
    assert same > 0.85 and len(set(named)) > 8


GOLDEN = ("then", "the", "late", "map", "packed", "again", "she", "floated")


def test_no_word_belongs_to_two_topics() -> None:
    words = [word for topic in TOPICS for words in topic.words.values() for word in words]
    assert len(set(words)) == len(words) == 16 * 19 and all(word.isalpha() and word.islower() for word in words)


def test_words_of_a_topic_are_alike_and_vectors_never_change() -> None:
    made = VECTORS(["oven", "soup", "judge", "the"])
    alike = np.corrcoef(made)
    assert alike[0, 1] > 0.3 > abs(alike[0, 2])
    assert made[0, :3] == pytest.approx(VECTOR, abs=1e-6) and np.linalg.norm(made[3]) < np.linalg.norm(made[0]) / 2
    assert WordVectors(32)(["oven"]) == pytest.approx(WordVectors(32)(["oven"]))


VECTOR = (-1.120220, 1.179089, -0.413363)


def test_features_of_volumes_hold_every_word_once() -> None:
    story = told(0)
    volumes = 160
    features = word_features(story, VECTORS, START, TR, volumes)
    assert features[:, -1].sum() == len(story.words) == course(story)[:, -1].sum()
    heard = story.onsets + START
    assert not features[:5].any() and features[6, -1] == ((heard >= 12) & (heard < 14)).sum()
    assert features.sum(axis=0) == pytest.approx(course(story).sum(axis=0), rel=1e-4, abs=1e-3)


def test_counts_are_a_sixteenth_and_only_the_mask_responds() -> None:
    head = make_head((12, 10, 8), np.random.default_rng(0))
    voxels = len(head.level)
    assert 200 < voxels < 12 * 10 * 8 / 2 and head.affine[:3, :3] == pytest.approx(4 * np.eye(3))
    middle = head.affine @ [5.5, 4.5, 3.5, 1]
    assert middle[:3] == pytest.approx(np.zeros(3))
    values = np.random.default_rng(1).standard_normal((20, voxels)).astype(np.float32)
    made = counts(values, head, np.random.default_rng(2))
    assert made.dtype == np.int16 and made.shape == (12, 10, 8, 20)
    back = (made[head.mask].T * SLOPE / head.level - 1) / 0.02
    assert back == pytest.approx(values, abs=0.5 * SLOPE / 700 / 0.02 + 1e-4)
    assert (made[~head.mask] * SLOPE < 200).all() and (made[head.mask] * SLOPE > 500).all()


def test_confounds_have_fmripreps_names_and_motion_leaks() -> None:
    noise = scan_noise(300, 200, np.random.default_rng(0))
    values = 900 + 18 * noise.values
    table, sidecar = confounds(values, noise, TR, np.random.default_rng(1))
    expected = {f"{name}{end}" for name in (*MOTION, "csf", "white_matter", "global_signal") for end in ENDS}
    expected |= {"std_dvars", "dvars", "framewise_displacement", *(f"a_comp_cor_0{n}" for n in range(5))}
    assert {name for name in table if not name.startswith("cosine")} == expected
    assert [name for name in table if name.startswith("cosine")] == [f"cosine0{n}" for n in range(9)]
    assert set(sidecar) == {f"a_comp_cor_0{n}" for n in range(5)}
    motion = np.stack([table[name] for name in MOTION], axis=1)
    moved = np.abs(np.diff(motion, axis=0)) @ [1, 1, 1, 50, 50, 50]
    assert table["framewise_displacement"][1:] == pytest.approx(moved)
    basis = np.linalg.qr(motion - motion.mean(axis=0))[0]
    centred = values - values.mean(axis=0)
    share = ((basis.T @ centred) ** 2).sum(axis=0) / (centred**2).sum(axis=0)
    # Six regressors take 0.02 of white noise, more of what is slow; a tenth of the variance is motion.
    assert share.mean() > SHARES["motion"]
    assert [name for name, column in table.items() if np.isnan(column[1:]).any()] == []


ENDS = ("", "_derivative1", "_power2", "_derivative1_power2")
