import pytest

from medpipe.formats.leads import STANDARD_12, canonical_lead, model_lead


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AVR", "aVR"), ("avr", "aVR"), ("aVL", "aVL"), ("Lead I", "I"), ("lead_II", "II"), ("i", "I"),
        ("MDC_ECG_LEAD_I", "I"), ("MDC_ECG_LEAD_AVR", "aVR"), ("MDC_ECG_LEAD_V3R", "V3R"),
        ("MDC_ECG_LEAD_X", "Vx"), ("DI", "I"), ("dii", "II"), ("DIII", "III"), ("ECG I", "I"),
        ("ECG Lead V1", "V1"), ("EKG V6", "V6"), ("Lead I (Einthoven)", "I"), ("MLII", "MLII"),
        ("mliii", "MLIII"), ("-aVR", "-aVR"), ("-AVR", "-aVR"), ("vx", "Vx"), ("VZ", "Vz"), ("v4r", "V4R"),
        ("V7", "V7"), ("v9", "V9"), (" V2 ", "V2"),
    ],
)  # fmt: skip
def test_known_names_become_canonical(name, expected):
    assert canonical_lead(name) == expected


@pytest.mark.parametrize("name", ["ABP", "PLETH", "V", "X", "C3", "ECG", "ECG1", "ECG 2", "V1-V2", "Résp", ""])
def test_unknown_names_are_left_alone(name):
    assert canonical_lead(f"  {name} ") == name


def test_canonical_names_are_fixed_points():
    for name in (*STANDARD_12, "-aVR", "MLII", "Vx", "V3R", "V9"):
        assert canonical_lead(name) == name
        assert canonical_lead(name.upper()) == name
        assert canonical_lead(f"MDC_ECG_LEAD_{name}") == name


def test_models_take_modified_limb_leads_for_their_namesakes():
    assert [model_lead(name) for name in ("MLII", "ml i", "V1", "-aVR")] == ["II", "I", "V1", "-aVR"]
