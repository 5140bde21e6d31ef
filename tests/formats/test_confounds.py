"""fMRIPrep's tables, and where its files lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scans

from medpipe.formats.bids_derivatives import Wanted, confounds_of, find_runs, mask_of
from medpipe.formats.confounds import read_confounds
from medpipe.formats.errors import FormatError


def test_a_table_is_read_with_the_masks_of_its_sidecar(tmp_path: Path) -> None:
    path = scans.write_confounds(tmp_path / "c.tsv")
    (tmp_path / "c.json").write_text('{"a_comp_cor_00": {"Mask": "CSF"}, "csf": {}}')
    table = read_confounds(str(path))
    names, values = scans.confounds()
    assert table.names == names and table.masks == {"a_comp_cor_00": "CSF"}
    np.testing.assert_array_equal(table.values, values)


def test_a_first_row_without_a_value_takes_the_mean_of_the_others(tmp_path: Path) -> None:
    table = read_confounds(str(scans.write_confounds(tmp_path / "c.tsv")))
    change = table.columns(["trans_x_derivative1"], 0)[:, 0]
    assert change[0] == pytest.approx(change[1:].mean())
    np.testing.assert_array_equal(table.columns(["trans_x_derivative1", "csf"], 2)[:, 0], change[2:])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty"),
        ("a\tb\n", "one row for each volume"),
        ("a\ta\n1\t2\n", "different names"),
        ("a\tb\n1\t2\n3\n", "different lengths"),
        ("a\tb\n1\tx\n", "words"),
        ("a\tb\n1\n2\n", "name 2 columns"),
        ("/annex/objects/MD5E-s9--0.tsv\n", "git annex get"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "c.tsv").write_text(content)
    with pytest.raises(FormatError, match=said):
        read_confounds(str(tmp_path / "c.tsv"))


@pytest.mark.parametrize("rows", ["1\nn/a\n3\n", "n/a\nn/a\nn/a\n", "1\n2\nn/a\n"])
def test_a_gap_elsewhere_is_an_error(tmp_path: Path, rows: str) -> None:
    (tmp_path / "c.tsv").write_text(f"fd\tx\n{rows}".replace("\n", "\t0\n").replace("x\t0", "x"))
    with pytest.raises(FormatError, match="no number in some rows of fd"):
        read_confounds(str(tmp_path / "c.tsv")).columns(["fd"], 0)


def test_runs_are_found_with_what_lies_beside_them(tmp_path: Path) -> None:
    root = scans.write_derivatives(tmp_path, tasks=("story", "rest"), spaces=("MNI", "T1w"))
    (run,) = find_runs(str(root), Wanted("sub-01", "story", space="MNI"))
    assert run.endswith("sub-01_task-story_space-MNI_desc-preproc_bold.nii.gz")
    assert mask_of(run).endswith("sub-01_task-story_space-MNI_desc-brain_mask.nii.gz")
    assert confounds_of(run).endswith("sub-01_task-story_desc-confounds_timeseries.tsv")
    assert len(find_runs(str(root), Wanted("01", space="T1w"))) == 2
    with pytest.raises(FormatError, match="several spaces, choose one: MNI, T1w"):
        find_runs(str(root), Wanted("01", "story"))
    with pytest.raises(FormatError, match="no preprocessed run of sub-01 that is asked for; other runs"):
        find_runs(str(root), Wanted("01", "film"))
    with pytest.raises(FormatError, match="no preprocessed run of sub-02"):
        find_runs(str(root), Wanted("02"))


def test_sessions_runs_and_images_as_they_were_scanned(tmp_path: Path) -> None:
    folder = tmp_path / "sub-7" / "ses-b" / "func"
    folder.mkdir(parents=True)
    for run in ("1", "02"):
        (folder / f"sub-7_ses-b_task-a_run-{run}_desc-preproc_bold.nii.gz").touch()
        (folder / f"sub-7_ses-b_task-a_run-{run}_space-fsLR_den-91k_bold.dtseries.nii").touch()
    (folder / "sub-7_ses-b_task-a_run-02_desc-confounds_regressors.tsv").touch()
    (run,) = find_runs(str(tmp_path), Wanted("7", "a", "b", "2", "native"))
    assert "run-02_desc-preproc" in run and mask_of(run) is None and confounds_of(run).endswith("regressors.tsv")
    (dense,) = find_runs(str(tmp_path), Wanted("7", run="run-2", space="fsLR"))
    assert confounds_of(dense) == confounds_of(run)
    with pytest.raises(FormatError, match=r"sub-7_ses-b_task-a_run-1_desc-confounds_timeseries\.tsv is not there"):
        confounds_of(find_runs(str(tmp_path), Wanted("7", run="1", space="native"))[0])
