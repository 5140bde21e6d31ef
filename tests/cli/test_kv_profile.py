"""kv-profile: requests to statistics, budgets and quality with a tiny model, and one clear line for bad input."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from conftest import Run

from medpipe.cli.kv_profiling import _scored
from medpipe.cli.kv_requests import Request

REQUESTS = [
    {"id": "two", "prompt": "What is seen? Answer in a word.", "images": ["0.png", "1.png"], "kept": 7},
    {"id": "answered", "prompt": "What is seen? " * 4, "images": ["0.png"], "answer": "a lung"},
    {"id": "text", "prompt": "Text alone, and long enough to have a budget of its own."},
    {"id": "wordy", "prompt": "Many more words than the budget has room for. " * 4, "images": ["0.png"]},
    {"id": "gone", "prompt": "What?", "images": ["none.png"]},
    {"id": "mute", "images": ["0.png"]},
    {"id": "odd", "prompt": "What?", "images": [7]},
    {"id": "torn", "prompt": "What?", "images": ["torn.png"]},
]


def records(output: bytes) -> dict[str, dict]:
    return {made["id"]: made for made in map(json.loads, output.splitlines())}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("requests")
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (60 + 20 * number, 90)).astype(np.uint8)
        PIL.Image.fromarray(pixels).save(made / f"{number}.png")
    (made / "torn.png").write_bytes((made / "0.png").read_bytes()[:80])
    (made / "requests.jsonl").write_text("".join(json.dumps(one) + "\n" for one in REQUESTS))
    return made


@pytest.fixture(scope="module")
def measured(run: Run, folder: Path):
    return run("kv-profile", "measure", "--model", "smoke", "--per-head", "--summary", "requests.jsonl", cwd=folder)


@pytest.fixture(scope="module")
def planned(run: Run, folder: Path):
    options = ("--ratio", "0.3", "--per-head", "--summary", "--plan", "plan.json")
    return run("kv-profile", "plan", "--model", "smoke", *options, "requests.jsonl", cwd=folder)


@pytest.fixture(scope="module")
def swept(run: Run, folder: Path, planned):
    options = ("--method", "meda,snapkv", "--ratio", "0.25", "--ratio", "1", "--tokens", "4", "--plan", "plan.json")
    return run("kv-profile", "sweep", "--model", "smoke", *options, "--summary", "requests.jsonl", cwd=folder)


def test_a_prompt_is_measured_layer_by_layer(measured) -> None:
    made = records(measured.stdout)["two"]
    assert (made["n_images"], made["n_text"] + made["n_visual"]) == (2, made["rows"]) and made["n_visual"] > 30
    assert made["kept"] == 7 and made["decoder"]["trained"] is False and made["entropy_kind"] == "cross-modal"
    assert len(made["layers"]) == 4
    for layer in made["layers"]:
        assert 0 < layer["entropy_normalised"] < 1 and 0 < layer["mass_text_visual"] < 1
        total = layer["entropy_text_visual_nats"] + layer["entropy_visual_text_nats"]
        assert layer["entropy_cross_modal_nats"] == pytest.approx(total, abs=1e-5)
        assert np.mean(layer["heads"]["entropy_nats"]) == pytest.approx(layer["entropy_nats"], abs=1e-5)
        assert layer["kv_bytes"] == made["rows"] * 2 * 2 * 16 * 4 and layer["coverage_90"] < layer["coverage_95"]
    assert b"untrained" in measured.stderr and b"entropy nats" in measured.stderr


def test_a_prompt_without_an_image_says_that_whole_rows_stand_in(measured) -> None:
    made = records(measured.stdout)["text"]
    assert made["entropy_kind"] == "full" and "no image" in made["notes"][0] and made["n_visual"] == 0
    assert made["layers"][0]["entropy_cross_modal_nats"] is None


def test_what_is_no_request_is_an_error_record_and_the_batch_goes_on(measured) -> None:
    made = records(measured.stdout)
    kinds = {name: made[name].get("error", {}).get("type") for name in ("gone", "mute", "odd", "torn", "two")}
    assert measured.returncode == 1 and len(made) == 8 and b"Traceback" not in measured.stderr
    assert kinds.pop("torn") and kinds == {
        "gone": "missing-file",
        "mute": "no-prompt",
        "odd": "bad-images",
        "two": None,
    }


def test_budgets_sum_to_what_is_asked_for(planned) -> None:
    made = records(planned.stdout)["two#meda-0.3"]
    count = made["n_text"] + made["n_visual"]
    assert sum(layer["budget"] for layer in made["layers"]) == made["kept_total"] == made["requested_total"]
    assert made["requested_total"] == round(0.3 * 4 * count)
    for layer in made["layers"]:
        assert sum(layer["head_budgets"]) == 2 * layer["budget"]
        assert layer["kv_bytes"] == layer["head_bytes_logical"] <= layer["head_bytes_allocated"]
    assert records(planned.stdout)["wordy#meda-0.3"]["text_over_budget"] is True


def test_a_plan_holds_the_mean_fractions(planned, folder: Path) -> None:
    plan = json.loads((folder / "plan.json").read_text())
    good = [made for made in records(planned.stdout).values() if "error" not in made]
    means = np.mean([[layer["fraction"] for layer in made["layers"]] for made in good], axis=0)
    assert plan["fractions"] == pytest.approx(means.tolist(), abs=1e-6) and (plan["ratio"], plan["method"]) == (
        0.3,
        "meda",
    )
    assert set(plan) == {"format", "model", "config_sha256", "ratio", "method", "fractions", "floor", "recent"}


def test_a_sweep_has_its_controls_and_a_ratio_of_one_costs_nothing(swept) -> None:
    made = records(swept.stdout)
    tried = {name.partition("#")[2] for name in made if name.startswith("two#")}
    names = ("meda", "snapkv", "uniform", "random")
    assert tried == {f"{name}-{ratio}" for name in names for ratio in ("0.25", "1")} | {"plan:meda-0.3", "int8", "full"}
    for name, one in made.items():
        if name.endswith("-1"):
            assert one["quality"]["kl_nats_max"] < 1e-5 and one["kv_bytes"] == one["kv_bytes_full"]
            assert one["quality"]["first_divergence"] is None
    full = made["two#full"]
    assert full["quality"]["kl_nats_max"] == 0 and full["kv_bytes"] == full["kv_bytes_full"]
    for one in (full, made["two#int8"]):
        assert sum(layer["budget"] for layer in one["layers"]) == one["kept_total"] == one["requested_total"]
        assert sum(layer["kv_bytes"] for layer in one["layers"]) == one["kv_bytes"]
    one = made["two#meda-0.25"]
    assert one["kept_total"] == one["requested_total"] and one["quality"]["kl_nats_mean"] > 0
    assert one["kv_bytes"] == sum(layer["kv_bytes"] for layer in one["layers"]) < 0.26 * one["kv_bytes_full"]
    assert all(layer["kept_text"] + layer["kept_visual"] == layer["budget"] for layer in one["layers"])
    assert (
        made["two#int8"]["kv_bytes"] < 0.4 * one["kv_bytes_full"] and made["two#int8"]["quality"]["kl_nats_mean"] < 0.01
    )
    said = swept.stderr.decode()
    assert "ROUGE-L" in said and "over 4 requests" in said and re.search(r"meda +1 .*\[", said) and " *\n" in said


def test_an_answer_is_scored(swept) -> None:
    made, full = (records(swept.stdout)[f"answered#{name}"] for name in ("meda-1", "full"))
    assert made["said"] == full["said"] and made["exact_match"] == full["exact_match"]
    assert made["exact_match"] in (0, 1) and 0 <= made["rouge_l"] <= 1
    assert "said" not in records(swept.stdout)["two#meda-1"]


def test_images_come_from_records_too(run: Run, folder: Path) -> None:
    record = json.loads(run("med-cat", "0.png", cwd=folder).stdout)
    asked = {"prompt": "What?"}
    light = {key: value for key, value in record.items() if key != "image"}
    given = [
        {"id": "a", **asked, "images": ["0.png"]},
        {"id": "b", **asked, "images": [record]},
        {**record, **asked, "id": "c"},
        {"id": "light", **asked, "images": [light]},
        {**light, **asked, "id": "found", "boxes": []},
        {"id": "lost", **asked, "images": [light | {"source": {"path": "0.png", "index": 3}}]},
        {"id": "of-text", **asked, "source": {"path": "questions.csv", "format": "csv"}},
    ]
    stream = "".join(json.dumps(one) + "\n" for one in given).encode()
    made = records(run("kv-profile", "measure", "--model", "smoke", "--quiet", stdin=stream, cwd=folder).stdout)
    for name in ("b", "c", "light", "found"):
        assert made[name]["layers"] == made["a"]["layers"], name
    assert made["lost"]["error"]["type"] == "no-image" and made["of-text"]["n_images"] == 0
    assert made["b"]["images"] == ["0"] and "image" not in made["c"]


def test_requests_at_the_edge_are_answered_or_refused_in_words(run: Run, folder: Path) -> None:
    PIL.Image.fromarray(np.zeros((2, 900), np.uint8)).save(folder / "thin.png")
    given = [
        {"id": "images alone", "prompt": "", "images": ["0.png"]},
        {"id": "blank", "prompt": "What?", "answer": " "},
        {"id": "nothing", "prompt": ""},
        {"id": "marked", "prompt": "<video> What?", "images": ["0.png"]},
        {"id": "places", "prompt": "<image> and <image>?", "images": ["0.png"]},
        {"id": "thin", "prompt": "What?", "images": ["thin.png"]},
        {"id": "table", "prompt": "What?", "images": ["requests.jsonl"]},
        {"id": "folder", "prompt": "What?", "images": ["0.png", "."]},
        {"id": "unnamed", "prompt": "What?", "images": [""]},
        {"id": "key", "prompt": "What?", "image": "0.png"},
    ]
    stream = "".join(json.dumps(one) + "\n" for one in given).encode()
    options = ("sweep", "--model", "smoke", "--ratio", "0.5", "--tokens", "2", "--quiet")
    made = records(run("kv-profile", *options, stdin=stream, cwd=folder).stdout)
    assert made["images alone#meda-0.5"]["n_visual"] > 10 and "exact_match" not in made["blank#meda-0.5"]
    said = {name: one["error"]["message"] for name, one in made.items() if "error" in one}
    for name, words in (
        ("nothing", "no prompt"), ("marked", "in it: where an image stands"), ("places", "2 <image> for 1 images"),
        ("thin", "aspect ratio"), ("table", "requests.jsonl is no image"), ("folder", ".: a folder"),
        ("unnamed", "neither a path"),
        ("key", "paths go under images"),
    ):  # fmt: skip
        assert words in said.pop(name)
    assert not said


def test_sampled_rows_in_workers(run: Run, folder: Path, measured) -> None:
    options = ("measure", "--model", "smoke", "--stride", "8", "--quiet", "-j", "2", "requests.jsonl")
    made, whole = records(run("kv-profile", *options, cwd=folder).stdout)["two"], records(measured.stdout)["two"]
    assert made["rows"] == -(-whole["rows"] // 8)
    for one, other in zip(made["layers"], whole["layers"], strict=True):
        assert one["entropy_nats"] == pytest.approx(other["entropy_nats"], abs=0.5)


def test_compression_goes_on_while_decoding(run: Run, folder: Path) -> None:
    line = json.dumps(REQUESTS[0]).encode() + b"\n"
    options = ("sweep", "--model", "smoke", "--ratio", "0.2", "--tokens", "12", "--every", "4", "--quiet")
    made, aimed = (
        records(run("kv-profile", *options, *more, stdin=line, cwd=folder).stdout) for more in ((), ("--target", "6"))
    )
    full = made["two#full"]
    entry, layers = full["kv_bytes_full"] / full["kept_total"], 4
    assert full["kv_bytes_end"] == (full["kept_total"] + 11 * layers) * entry
    for name in ("meda", "uniform", "random"):
        one, other = made[f"two#{name}-0.2"], aimed[f"two#{name}-0.2"]
        assert one["quality"]["kl_nats_mean"] > 0 and one["kv_bytes"] == one["requested_total"] * entry
        assert one["kv_bytes_end"] < (one["requested_total"] + 4 * layers) * entry
        assert 6 * layers * entry <= other["kv_bytes_end"] < (6 + 4) * layers * entry


def test_costs_stand_beside_the_full_cache_and_their_ceiling(run: Run, folder: Path) -> None:
    line = json.dumps(REQUESTS[0]).encode() + b"\n"
    options = ("bench", "--model", "smoke", "--method", "snapkv", "--tokens", "3", "--repeats", "1", "--summary")
    done = run("kv-profile", *options, stdin=line, cwd=folder)
    full, found, eight = records(done.stdout).values()
    assert [one["id"] for one in (full, found, eight)] == ["two#full", "two#snapkv-0.2", "two#int8"]
    # A float32 is four bytes; a vector of 16 in int8 has a scale beside it.
    assert (
        eight["cost"]["kv_bytes_end"] == full["cost"]["kv_bytes_end"] * (16 + 4) / (16 * 4)
        and b"ceiling" in done.stderr
    )
    assert all(full["cost"][name] > 0 for name in ("prefill_s", "decode_ms_p50", "peak_bytes", "weight_bytes"))
    weights, whole, kept = full["cost"]["weight_bytes"], full["cost"]["kv_bytes_end"], found["cost"]["kv_bytes_end"]
    assert (
        found["speed_up_ceiling"] == pytest.approx((weights + whole) / (weights + kept), abs=1e-4) and kept < whole / 3
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("plan", "--ratio", "0"), 2, "--ratio 0"),
        (("plan", "--ratio", "1.5"), 2, "above 0 and at most 1"),
        (("plan", "--ratio", "nan"), 2, "above 0 and at most 1"),
        (("plan", "--method", "best"), 2, "--method best"),
        (("plan", "--method", "meda,h2o", "--plan", "x.json"), 2, "one method"),
        (("plan", "--plan", "requests.jsonl/plan.json"), 74, "requests.jsonl/plan.json"),
        (("sweep", "--merge", "soup"), 2, "no merger soup"),
        (("sweep", "--plan", "absent.json"), 66, "absent.json"),
        (("sweep", "--plan", "requests.jsonl"), 65, "requests.jsonl"),
        (("measure", "--summary", "--resume", "-o", "x.jsonl"), 2, "--resume"),
        (("measure", "--model", "/nowhere/at/all"), 69, "no such folder"),
        (("bench", "--model", "/nowhere/at/all"), 69, "no such folder"),
        (("bench", "-j", "2"), 2, "one process at a time"),
        (("sweep", "--target", "5"), 2, "--target goes with --every"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    run: Run, folder: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    model = () if "--model" in arguments else ("--model", "smoke")
    done = run("kv-profile", *arguments, *model, "--quiet", "requests.jsonl", cwd=folder)
    told = done.stderr.decode()
    assert done.returncode == code and said in told and "Traceback" not in told and not done.stdout


def test_attention_out_of_reach_is_unavailable_with_the_reason(run: Run, folder: Path, tmp_path: Path) -> None:
    from transformers import BloomConfig, BloomForCausalLM

    from medpipe.core.kv.smoke import byte_tokenizer

    BloomForCausalLM(BloomConfig(vocab_size=300, hidden_size=8, n_layer=1, n_head=2)).save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    done = run("kv-profile", "measure", "--model", tmp_path, "requests.jsonl", cwd=folder)
    assert done.returncode == 69 and b"cannot be intercepted" in done.stderr and not done.stdout


def test_a_folder_of_a_text_model_is_profiled_and_images_are_refused(run: Run, folder: Path, tmp_path: Path) -> None:
    from decoders import llama

    from medpipe.core.kv.smoke import byte_tokenizer

    model = llama()[0]
    model.resize_token_embeddings(300)
    model.save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    made = records(run("kv-profile", "measure", "--model", tmp_path, "requests.jsonl", cwd=folder).stdout)
    assert made["text"]["decoder"]["type"] == "llama" and made["text"]["decoder"]["trained"] is True
    assert made["two"]["error"]["type"] == "no-vision"


def test_two_plans_are_compared_layer_by_layer(run: Run, folder: Path, planned) -> None:
    plan = json.loads((folder / "plan.json").read_text())
    other = plan | {"fractions": [0.4, 0.2, 0.3, 0.3], "method": "uniform"}
    (folder / "other.json").write_text(json.dumps(other))
    (folder / "short.json").write_text(json.dumps(plan | {"fractions": [0.3]}))
    done = run("kv-profile", "diff", "plan.json", "other.json", cwd=folder)
    *layers, whole = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 0 and b"uniform 0.3" in done.stderr and whole["same_model"] is True
    assert [one["second"] for one in layers] == other["fractions"] and 0 < whole["moved"] < 1
    assert layers[0]["difference"] == pytest.approx(0.4 - plan["fractions"][0], abs=1e-6)
    refused = run("kv-profile", "diff", "plan.json", "short.json", cwd=folder)
    assert refused.returncode == 65 and b"4 and 1 layers" in refused.stderr


def test_two_methods_of_a_sweep_are_compared_request_by_request(run: Run, folder: Path, swept, planned) -> None:
    (folder / "swept.jsonl").write_bytes(swept.stdout)
    done = run("kv-profile", "diff", "meda-0.25", "uniform-0.25", "--of", "swept.jsonl", cwd=folder)
    *layers, whole = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 0 and len(layers) == 4 and 0 <= whole["moved"] < 1 and whole["requests"] == 4
    made, found = records(swept.stdout), whole["quality"]["kl_nats_mean"]
    names = [name.partition("#")[0] for name in made if name.endswith("#meda-0.25")]
    pairs = [[made[f"{name}#{one}-0.25"]["quality"]["kl_nats_mean"] for one in ("meda", "uniform")] for name in names]
    low, high = found["difference_ci95"]
    assert (
        found["difference"] == pytest.approx(np.mean([b - a for a, b in pairs])) and low <= found["difference"] <= high
    )
    alone = run("kv-profile", "diff", "meda-0.25", "int8", "--of", "swept.jsonl", "--quiet", cwd=folder)
    *kept, only = map(json.loads, alone.stdout.splitlines())
    assert [one["second"] for one in kept] == [1.0] * 4
    assert only["layer"] is None and only["quality"]["kv_bytes_share"]["difference"] > 0
    (folder / "planned.jsonl").write_bytes(planned.stdout)
    for stream, code, said in (
        ("planned.jsonl", 65, b"no meda-0.25; there is meda-0.3"),
        ("none.jsonl", 66, b"no such"),
    ):
        refused = run("kv-profile", "diff", "meda-0.25", "uniform-0.25", "--of", stream, cwd=folder)
        assert refused.returncode == code and said in refused.stderr and not refused.stdout


def test_an_answer_of_signs_is_compared_as_it_stands() -> None:
    for said, true, same in (("<", "?!", 0.0), ("?!", "?!", 1.0), ("An effusion.", "an effusion", 1.0)):
        assert _scored(Request("", [], true), said)["exact_match"] == same


def test_controls_stay_themselves_beside_another_merger(run: Run, folder: Path) -> None:
    line = json.dumps(REQUESTS[0]).encode() + b"\n"
    options = ("--ratio", "0.2", "--ratio", "0.2000000001", "--merge", "pivot", "--tokens", "2", "--quiet")
    made = records(run("kv-profile", "sweep", "--model", "smoke", *options, stdin=line, cwd=folder).stdout)
    names = ("meda+pivot", "uniform", "random", "uniform+pivot")
    assert set(made) == {f"two#{one}" for one in ("full", "int8")} | {
        f"two#{name}-{ratio}" for name in names for ratio in ("0.2", "0.2000000001")
    }
