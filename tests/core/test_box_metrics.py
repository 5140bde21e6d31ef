"""Metrics of boxes: average precision as pycocotools has it, RoDeO and the others on cases worked by hand."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest

from medpipe.core.metrics import rodeo
from medpipe.core.metrics.box_precision import average_precisions, match
from medpipe.core.metrics.box_presence import RATES, best_overlaps, left_alone, sensitivities
from medpipe.core.metrics.box_sets import ImageBoxes
from medpipe.core.metrics.boxes import BoxPanel, score_boxes

IOUS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def image(found: list, there: list, asked: set[int] | None = None) -> ImageBoxes:
    """From (box, label, score) found and (box, label) there."""
    return ImageBoxes(
        np.array([one[0] for one in found], float).reshape(-1, 4), np.array([one[1] for one in found], np.int64),
        np.array([one[2] for one in found], float), np.array([one[0] for one in there], float).reshape(-1, 4),
        np.array([one[1] for one in there], np.int64), frozenset(asked or {one[1] for one in there}),
    )  # fmt: skip


def simulated(seed: int, images: int = 25, ties: bool = False) -> list[ImageBoxes]:
    """Truth, boxes near it, and boxes anywhere."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(images):
        corners = rng.uniform(0, 80, (rng.integers(0, 5), 2))
        there = [([*corner, *(corner + rng.uniform(20, 40, 2))], int(rng.integers(3))) for corner in corners]
        near = [
            (np.array(box) + rng.uniform(-8, 8, 4), label) for box, label in there for _ in range(rng.integers(0, 3))
        ]
        away = [(np.array([*rng.uniform(0, 50, 2), *rng.uniform(60, 99, 2)]), int(rng.integers(3))) for _ in range(2)]
        scores = rng.integers(0, 4, 99) / 4 if ties else rng.uniform(0, 1, 99)
        made.append(
            image([(box, label, score) for (box, label), score in zip(near + away, scores, strict=False)], there)
        )
    return made


def coco_precision(images: list[ImageBoxes], label: int) -> np.ndarray:
    """AP at each of IOUS by pycocotools."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, found = [], []
    for number, one in enumerate(images):
        for box in one.there[one.truth == label]:
            sides = [*box[:2], *(box[2:] - box[:2])]
            truth.append({"id": len(truth) + 1, "image_id": number + 1, "category_id": 1, "bbox": sides, "iscrowd": 0,
                          "area": sides[2] * sides[3]})  # fmt: skip
        mine = one.labels == label
        found += [
            {"image_id": number + 1, "category_id": 1, "bbox": [*box[:2], *(box[2:] - box[:2])], "score": score}
            for box, score in zip(one.found[mine], one.scores[mine], strict=True)
        ]
    with contextlib.redirect_stdout(io.StringIO()):
        sides = COCO()
        sides.dataset = {"images": [{"id": k + 1} for k in range(len(images))], "annotations": truth,
                         "categories": [{"id": 1}], "info": {}}  # fmt: skip
        sides.createIndex()
        judge = COCOeval(sides, sides.loadRes(found), "bbox")
        judge.evaluate()
        judge.accumulate()
    return judge.eval["precision"][:, :, 0, 0, 2].mean(axis=1)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_that_of_pycocotools(seed: int, ties: bool) -> None:
    pytest.importorskip("pycocotools")
    images = simulated(seed, ties=ties)
    for label in range(3):
        own = average_precisions(match(images, label, IOUS), np.ones((1, len(images))))[0]
        np.testing.assert_allclose(own, coco_precision(images, label), atol=1e-6)


def test_a_weight_of_two_is_an_image_twice() -> None:
    images = simulated(7)
    weights = np.random.default_rng(0).integers(0, 3, len(images)).astype(float)
    repeated = [one for one, times in zip(images, weights, strict=True) for _ in range(int(times))]
    for label in range(3):
        weighted = average_precisions(match(images, label, IOUS), weights[None])
        whole = average_precisions(match(repeated, label, IOUS), np.ones((1, len(repeated))))
        np.testing.assert_allclose(weighted, whole, atol=1e-9)


def test_a_label_that_is_nowhere_has_no_average_precision() -> None:
    images = [image([([0, 0, 1, 1], 0, 1.0)], [])]
    assert np.isnan(average_precisions(match(images, 0, IOUS), np.ones((1, 1)))).all()


BOX = [10, 10, 20, 30]


def rodeo_of(images: list[ImageBoxes], labels: int = 2) -> dict[str, float]:
    found = rodeo.scores(rodeo.image_sums(images, labels), np.ones((1, len(images))), labels)[0]
    return dict(zip(rodeo.NAMES, found.tolist(), strict=True))


def test_rodeo_of_what_is_right_is_one() -> None:
    images = [image([(BOX, k, 1.0)], [(BOX, k)]) for k in (0, 1)]
    assert rodeo_of(images) == pytest.approx({"localisation": 1, "shape": 1, "class": 1, "total": 1}, abs=1e-5)


@pytest.mark.parametrize(("shift", "expected"), [((10, 0), 0.5), ((0, 20), 0.5), ((5, 0), 0.840896), ((10, 20), 0.25)])
def test_rodeo_halves_for_a_centre_off_by_the_size_of_the_box(shift: tuple[int, int], expected: float) -> None:
    moved = [BOX[0] + shift[0], BOX[1] + shift[1], BOX[2] + shift[0], BOX[3] + shift[1]]
    found = rodeo_of([image([(moved, k, 1.0)], [(BOX, k)]) for k in (0, 1)])
    assert found["localisation"] == pytest.approx(expected, abs=1e-6) and found["shape"] == pytest.approx(1)


def test_rodeo_of_shape_puts_corners_together() -> None:
    half = [BOX[0], BOX[1], BOX[0] + 5, BOX[3]]
    assert rodeo_of([image([(half, k, 1.0)], [(BOX, k)]) for k in (0, 1)])["shape"] == pytest.approx(0.5)


def test_rodeo_is_shared_among_matched_extra_and_missed_boxes() -> None:
    far = [60, 60, 70, 80]
    images = [
        image([(BOX, 0, 1.0), (far, 1, 0.5)], [(BOX, 0)]),
        image([], [(BOX, 1)]),
        image([(BOX, 1, 1)], [(BOX, 1)]),
    ]
    # Two matched of four boxes in all: one extra, one missed.
    found = rodeo_of(images)
    assert found["localisation"] == pytest.approx(0.5) and found["class"] == pytest.approx(0.5)


def test_rodeo_of_wrong_labels_has_no_class() -> None:
    images = [image([(BOX, 1 - k, 1.0)], [(BOX, k)]) for k in (0, 1)]
    found = rodeo_of(images)
    assert found["class"] == 0 and found["localisation"] == 1 and found["total"] < 1e-5
    assert rodeo_of([image([], [(BOX, 0)])])["total"] == 0
    with pytest.raises(ValueError, match="two labels"):
        rodeo.image_sums(images, 1)


def test_froc_reads_sensitivity_at_false_boxes_an_image() -> None:
    far = [60, 60, 70, 80]
    images = [
        image([(BOX, 0, 0.9)], [(BOX, 0)]),
        image([(far, 0, 0.8)], [], {0}),
        image([(BOX, 0, 0.7), (far, 0, 0.6)], [(BOX, 0)]),
        image([], [(BOX, 0)]),
    ]
    found = [match(images, 0, (0.5,))]
    # One of three before the first false box, two before the second: a quarter and a half a false box an image.
    expected = [1 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3]
    np.testing.assert_allclose(sensitivities(found, 0, np.ones((1, 4)))[0], expected)
    assert len(RATES) == len(expected)


def test_overlap_and_images_left_alone_are_counted_by_image() -> None:
    half = [BOX[0], BOX[1], BOX[0] + 5, BOX[3]]
    images = [
        image([(half, 0, 1)], [(BOX, 0), ([50, 50, 60, 60], 0)]),
        image([], [], {0}),
        image([(BOX, 0, 1)], [], {0}),
    ]
    assert best_overlaps(images, 0).tolist() == [[0.5, 2], [0, 0], [0, 0]]
    assert left_alone(images, 0).tolist() == [[0, 0], [1, 1], [1, 0]]


def test_papers_ask_only_for_what_is_there() -> None:
    one = image([(BOX, 0, 1), (BOX, 1, 1)], [(BOX, 1)], {0, 1}).present_only()
    assert one.labels.tolist() == [1] and one.asked == {1}


def test_rows_are_labels_and_all_of_them_and_a_run_differs_from_itself_by_nothing() -> None:
    images, names = simulated(3, 12), ["a", "b", "c"]
    panel = BoxPanel(images, names)
    rows = {row.id: row for row in score_boxes([panel], 100, 0)}
    assert list(rows) == [*names, "all"]
    assert rows["all"].estimates["ap50"].value == pytest.approx(
        np.mean([rows[n].estimates["ap50"].value for n in names])
    )
    low, high = rows["all"].estimates["ap50"].interval
    assert low <= rows["all"].estimates["ap50"].value <= high
    assert {"ap", "ap10", "ap75", "best_iou", "froc", "froc@0.125", "rodeo_total"} <= set(rows["all"].estimates)
    assert rows["all"].facts["boxes"] == sum(len(one.there) for one in images)
    for row in score_boxes([panel, panel], 100, 0):
        assert all(one.value in (0, None) and one.interval in ((0, 0), None) for one in row.estimates.values())


def test_draws_of_clusters_take_their_images_together() -> None:
    images, names = simulated(3, 12), ["a", "b", "c"]
    twice = [one for one in images for _ in range(2)]
    clusters = [f"{k // 2:02d}" for k in range(len(twice))]
    alone = score_boxes([BoxPanel(images, names)], 200, 0)[-1].estimates["best_iou"]
    together = score_boxes([BoxPanel(twice, names)], 200, 0, clusters)[-1].estimates["best_iou"]
    np.testing.assert_allclose(together.interval, alone.interval)
