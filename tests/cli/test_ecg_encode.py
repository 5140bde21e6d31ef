"""ecg-encode: the same recording gives the same embedding however it comes, and what was done is said."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from simulated import ecg

from medpipe.formats.jsonl import decode
from medpipe.formats.leads import STANDARD_12
from medpipe.formats.wfdb_write import write_wfdb


def encode(run: Run, folder: Path, *options: str | Path, stdin: bytes = b"", code: int = 0) -> list[dict]:
    done = run("ecg-encode", *options, cwd=folder, stdin=stdin)
    assert done.returncode == code, done.stderr
    return [decode(line) for line in done.stdout.splitlines()]


def write(
    folder: Path, name: str, signal: np.ndarray, fs: float = 500.0, leads: tuple = STANDARD_12, unit: str = "mV"
) -> str:
    write_wfdb(folder, name, signal, fs, list(leads), [unit] * len(leads))
    return f"{name}.hea"


def near(one: dict, other: dict, cosine: float) -> bool:
    a, b = one["embedding"], other["embedding"]
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) > cosine


def test_a_record_says_what_was_done(run: Run, tmp_path: Path) -> None:
    made = encode(run, tmp_path, write(tmp_path, "a", ecg(0)))[0]
    assert made["embedding"].shape == (made["encoder"]["dim"],) and np.isfinite(made["embedding"]).all()
    assert made["leads_used"] == list(STANDARD_12) and made["leads_ignored"] == []
    assert made["windows"] == {"seconds": 10, "count": 1, "pooling": "mean"}
    quality = {"nan_fraction": 0, "flat": [], "clipped": [], "saturated": [], "reversal": None}
    assert {key: made["quality"][key] for key in quality} == quality
    assert "signal" not in made and made["via"][0].startswith("ecg-encode ")
    assert set(made["encoder"]) == {"name", "sha256", "preset", "space", "dim"}


def test_files_streams_and_containers_give_the_same_embedding(run: Run, good_folder: Path, tmp_path: Path) -> None:
    direct = encode(run, good_folder, "rec")
    for target in ("x.jsonl", "x.h5"):
        run("med-cat", "rec", "-o", tmp_path / target, cwd=good_folder)
        for one, other in zip(direct, encode(run, tmp_path, target), strict=True):
            np.testing.assert_array_equal(one["embedding"], other["embedding"])


def test_the_order_of_leads_and_their_unit_do_not_matter(run: Run, tmp_path: Path) -> None:
    signal, order = ecg(3), [7, 0, 11, 3, 5, 1, 2, 4, 6, 8, 9, 10]
    plain = encode(run, tmp_path, write(tmp_path, "a", signal))[0]
    turned = encode(run, tmp_path, write(tmp_path, "b", signal[order], leads=tuple(STANDARD_12[k] for k in order)))[0]
    micro = encode(run, tmp_path, write(tmp_path, "c", 1000 * signal, unit="uV"))[0]
    assert near(plain, turned, 0.9999) and near(plain, micro, 0.9999)


@pytest.mark.parametrize("fs", [50.0, 128.0, 257.0, 1000.0, 2000.0])
def test_any_rate(run: Run, tmp_path: Path, fs: float) -> None:
    made = encode(run, tmp_path, write(tmp_path, "a", ecg(3, fs=fs), fs))[0]
    assert made["embedding"].shape and np.isfinite(made["embedding"]).all()


@pytest.mark.parametrize("seconds", [1.0, 3.0, 9.9, 14.0, 60.0])
def test_any_length(run: Run, tmp_path: Path, seconds: float) -> None:
    made = encode(run, tmp_path, write(tmp_path, "a", ecg(3, seconds=seconds)))[0]
    windows = made["windows"]
    assert windows["count"] == max(1, round(seconds / 10 + 1e-9)) and ("padded_seconds" in windows) == (seconds < 10)


def test_a_long_recording_is_the_mean_of_its_segments(run: Run, tmp_path: Path) -> None:
    name = write(tmp_path, "a", ecg(3, seconds=30))
    whole = encode(run, tmp_path, name)[0]
    parts = encode(run, tmp_path, name, "--segment", "10")
    assert [part["id"] for part in parts] == ["a@0-10", "a@10-20", "a@20-30"] and parts[0]["parent"] == "a"
    np.testing.assert_allclose(whole["embedding"], np.mean([part["embedding"] for part in parts], axis=0), atol=1e-5)
    cut = run("med-cat", name, "--segment", "10", cwd=tmp_path).stdout
    for part, other in zip(parts, encode(run, tmp_path, stdin=cut), strict=True):
        np.testing.assert_array_equal(part["embedding"], other["embedding"])


def test_one_lead_and_fifteen(run: Run, tmp_path: Path) -> None:
    signal = ecg(3)
    one = encode(run, tmp_path, write(tmp_path, "a", signal[1:2], leads=("MLII",)))[0]
    assert one["leads_used"] == ["II"] and one["leads_standing_in"] == {"MLII": "II"}
    fifteen = (*STANDARD_12, "Vx", "Vy", "Vz")
    many = encode(run, tmp_path, write(tmp_path, "b", np.concatenate([signal, signal[:3]]), leads=fifteen))[0]
    assert many["leads_ignored"] == ["Vx", "Vy", "Vz"]
    np.testing.assert_allclose(
        many["embedding"], encode(run, tmp_path, write(tmp_path, "c", signal))[0]["embedding"], atol=1e-4
    )


def test_gaps_are_bridged_and_counted_up_to_a_tenth(run: Run, tmp_path: Path) -> None:
    signal = ecg(3)
    signal[0, 100:400] = np.nan
    made = encode(run, tmp_path, write(tmp_path, "a", signal))[0]
    assert made["quality"]["interpolated"] == {"I": 300} and made["quality"]["nan_fraction"] == 0.005
    signal[2, :900] = np.nan
    made = encode(run, tmp_path, write(tmp_path, "b", signal))[0]
    assert made["quality"]["dropped"] == ["III"] and "III" not in made["leads_used"]
    signal[:] = np.nan
    assert encode(run, tmp_path, write(tmp_path, "c", signal), code=1)[0]["error"]["type"] == "all-nan"


def test_flat_and_clipped_leads_are_named(run: Run, tmp_path: Path) -> None:
    signal = ecg(3)
    signal[4] = 0.25
    signal[7] = np.clip(signal[7], -0.3, 0.3)
    quality = encode(run, tmp_path, write(tmp_path, "a", signal))[0]["quality"]
    assert quality["flat"] == ["aVL"] and quality["clipped"] == ["V2"]


def test_unknown_units_work_and_are_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("I,II\n" + "\n".join(f"{a},{b}" for a, b in ecg(3)[:2].T))
    made = encode(run, tmp_path, "a.csv", "--fs", "500")[0]
    assert made["units"] == "unknown" and "units" in made["notes"] and made["leads_used"] == ["I", "II"]


def test_leads_that_a_model_needs(run: Run, tmp_path: Path) -> None:
    options = ["--init", "random", "--arch", "merl-resnet18"]
    name = write(tmp_path, "a", ecg(3)[:11], leads=STANDARD_12[:11])
    error = encode(run, tmp_path, name, *options, code=1)[0]["error"]
    assert error["type"] == "missing-leads" and "V6" in error["message"]
    zeroed = encode(run, tmp_path, name, *options, "--missing", "zero")[0]
    assert zeroed["leads_zeroed"] == ["V6"] and zeroed["encoder"]["trained"] is False


def test_tokens_are_laid_out_lead_by_lead(run: Run, tmp_path: Path) -> None:
    name = write(tmp_path, "a", ecg(3)[:3], leads=("I", "II", "III"))
    made = encode(run, tmp_path, name, "--tokens", "--init", "random", "--arch", "kmerl-vit-tiny")[0]
    assert made["token_layout"] == {"leads": ["I", "II", "III"], "pieces": 100} and made["tokens"].shape == (300, 192)
    plain = encode(run, tmp_path, name, "--tokens")[0]
    assert len(plain["tokens"]) == plain["token_layout"]["pieces"]


@pytest.mark.parametrize("options", [[], ["--init", "random", "--arch", "kmerl-vit-tiny"]])
def test_another_batch_size_changes_no_more_than_a_hundred_thousandth(
    run: Run, good_folder: Path, options: list
) -> None:
    one = encode(run, good_folder, "rec/r00000.hea", "rec/r00001.hea", "rec/r00002.hea", *options)
    two = encode(run, good_folder, "rec/r00000.hea", "rec/r00001.hea", "rec/r00002.hea", *options, "--batch-size", "2")
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a["embedding"], b["embedding"], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--model", "no-such.pth"], 69, b"no-such.pth"),
        (["--model", "nobody-has-this"], 69, b"medpipe models"),
        (["--model", "res18_best_ckpt.pth"], 69, b"Google Drive"),
        (["--init", "random"], 2, b"--arch"),
        (["--init", "random", "--arch", "merl-nothing"], 2, b"merl-resnet18"),
        (["--preset", "merl"], 65, b"preset"),
        (["--missing", "maybe"], 2, b"--missing"),
    ],
)
def test_a_model_that_cannot_be_used(run: Run, good_folder: Path, options: list, code: int, said: bytes) -> None:
    for jobs in ("1", "2"):
        done = run("ecg-encode", *options, "-j", jobs, "rec/r00000.hea", cwd=good_folder)
        assert done.returncode == code and said in done.stderr and not done.stdout
        assert b"Traceback" not in done.stderr


def test_the_default_model_needs_no_torch_and_no_network(run: Run, good_folder: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; sys.argv = ['ecg-encode', 'rec/r00000.hea']\nfrom medpipe.cli.ecg_encode import run\n"
        "try: run()\nexcept SystemExit: pass\n"
        "heavy = ('torch', 'scipy', 'pandas', 'wfdb', 'transformers', 'socket')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=good_folder, capture_output=True, check=True)
    loaded = done.stderr.decode().strip()
    assert json.loads(loaded.replace("'", '"')) in ([], ["socket"])


@pytest.mark.slow
def test_a_day_is_read_window_by_window(run: Run, tmp_path: Path) -> None:
    from test_med_cat import write_long

    write_long(tmp_path, hours=24)
    made = encode(run, tmp_path, "day.hea")[0]
    assert made["windows"]["count"] == 8640 and made["leads_used"] == ["II", "V1"]


def test_leads_that_all_stand_still_are_no_recording(run: Run, good_folder: Path, tmp_path: Path) -> None:
    write_wfdb(tmp_path, "still", np.zeros((2, 1000), np.float32), 100.0, ["I", "II"], ["mV"] * 2)
    done = run("ecg-encode", tmp_path / "still.hea")
    assert done.returncode == 1 and json.loads(done.stdout)["error"]["type"] == "all-flat"


def test_weights_that_are_nan_are_refused(run: Run, good_folder: Path, tmp_path: Path) -> None:
    import torch

    from medpipe.core.ecg.merl import Merl

    weights = Merl("merl-vit-tiny", contrastive=True).state_dict()
    next(iter(weights.values())).fill_(float("nan"))
    torch.save(weights, tmp_path / "nan.pth")
    done = run("ecg-encode", "--model", tmp_path / "nan.pth", "--arch", "merl-vit-tiny", "rec", cwd=good_folder)
    assert done.returncode == 65 and b"NaN" in done.stderr and not done.stdout


def test_leads_in_two_units_do_not_go_into_one_scale(run: Run, good_folder: Path) -> None:
    record = json.loads(run("med-cat", "rec/r00000.hea", cwd=good_folder).stdout)
    record["units"] = ["mV"] * 11 + ["adu"]
    options = ("--arch", "merl-vit-tiny", "--init", "random")
    done = run("ecg-encode", *options, stdin=json.dumps(record).encode())
    assert json.loads(done.stdout)["error"]["type"] == "mixed-units"
    assert run("ecg-encode", stdin=json.dumps(record).encode()).returncode == 0


def test_nothing_is_written_to_the_home_folder(run: Run, good_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    done = run("ecg-encode", "rec/r00000.hea", cwd=good_folder, env={"HOME": str(tmp_path / "home")})
    assert done.returncode == 0 and not list((tmp_path / "home").rglob("*"))
