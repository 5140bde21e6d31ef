"""The lexicon: entities of English and German reports, denied and doubted ones, and the words that say so."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.ecg.reports.entity import codes, entity_codes
from medpipe.core.ecg.reports.language import detect
from medpipe.core.ecg.reports.lexicon import Lexicon, patterns
from medpipe.core.ecg.reports.text import normalised, table
from medpipe.core.errors import InputError

LEXICON = Lexicon()


def found(report: str) -> dict[str, str]:
    return {entity.name: entity.status for entity in LEXICON.extract(report).entities}


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ("Sinus rhythm. Left axis deviation. RBBB with left anterior fascicular block.",
         {"sinus rhythm": "present", "left axis deviation": "present", "right bundle branch block": "present",
          "left anterior fascicular block": "present"}),
        ("No evidence of acute ischemia. Cannot rule out anterior and inferior infarction.",
         {"ischaemia": "absent", "anterior myocardial infarction": "uncertain",
          "inferior myocardial infarction": "uncertain"}),
        ("Sinus bradycardia, 1st degree A-V block, possible left atrial abnormality.",
         {"sinus bradycardia": "present", "first degree AV block": "present", "left atrial enlargement": "uncertain"}),
        ("Atrial flutter has resolved. Acute anterior MI is unlikely.",
         {"atrial flutter": "absent", "anterior myocardial infarction": "absent"}),
        ("Old anteroseptal infarct cannot be entirely excluded, probably old. Incomplete right bundle branch block.",
         {"anteroseptal myocardial infarction": "uncertain", "incomplete right bundle branch block": "present"}),
        ("Inferior infarct cannot be excluded. Lateral ischaemia cannot be  entirely  ruled out.",
         {"inferior myocardial infarction": "uncertain", "lateral ischaemia": "uncertain"}),
        ("Sinusrhythmus, kein Hinweis auf Ischämie oder Infarkt.",
         {"sinus rhythm": "present", "ischaemia": "absent", "myocardial infarction": "absent"}),
        ("Verdacht auf linksventrikuläre Hypertrophie, Linkstyp",
         {"left ventricular hypertrophy": "uncertain", "left axis deviation": "present"}),
        ("Sinus rhythm, left bundle branch block, atrial fibrillation unlikely.",
         {"sinus rhythm": "present", "left bundle branch block": "present", "atrial fibrillation": "absent"}),
        ("No ST elevation, T wave inversion or LBBB. possible LVH, left axis deviation",
         {"ST elevation": "absent", "T wave inversion": "absent", "left bundle branch block": "absent",
          "left ventricular hypertrophy": "uncertain", "left axis deviation": "present"}),
        ("No ischaemia, infarction or hypertrophy. LVH, RBBB or fatigue",
         {"ischaemia": "absent", "myocardial infarction": "absent", "left ventricular hypertrophy": "present",
          "right bundle branch block": "present"}),
        ("keine Ischämie, Infarkt oder Hypertrophie mit Vorhofflimmern",
         {"ischaemia": "absent", "myocardial infarction": "absent", "atrial fibrillation": "present"}),
        ("Neither ST elevation nor atrial fibrillation. Rule out pulmonary embolism. LBBB? First degree AV block",
         {"ST elevation": "absent", "atrial fibrillation": "absent", "pulmonary embolism": "uncertain",
          "left bundle branch block": "uncertain", "first degree AV block": "present"}),
        ("first degree AV block, STEMI excluded",
         {"first degree AV block": "present", "myocardial infarction": "absent"}),
        ("Weder Vorhofflimmern noch Linksschenkelblock, inkompletter RSB, V.a. Linksherzhypertrophie",
         {"atrial fibrillation": "absent", "left bundle branch block": "absent",
          "incomplete right bundle branch block": "present", "left ventricular hypertrophy": "uncertain"}),
        ("Z.n. Hinterwandinfarkt, Linksschenkelblock nicht auszuschließen, AV-Blockierungen 2. Grades",
         {"inferior myocardial infarction": "present", "left bundle branch block": "uncertain",
          "second degree AV block": "present"}),
        ("sinusrhythmus ueberdrehter linkstyp linksschenkelblock linkshypertrophie mÖglich",
         {"sinus rhythm": "present", "extreme left axis deviation": "present", "left bundle branch block": "present",
          "left ventricular hypertrophy": "uncertain"}),
        ("AV-Block I. Grades, Hinterwandinfarkt nicht auszuschließen",
         {"first degree AV block": "present", "inferior myocardial infarction": "uncertain"}),
        ("sinusrhythmus qrs(t) abnormal    inferiorer infarkt     wahrscheinlich alt",
         {"sinus rhythm": "present", "abnormal QRS": "present", "inferior myocardial infarction": "present"}),
        ("mÄssige amplitudenkriterien f#r linkshypertrophie",
         {"voltage criteria for left ventricular hypertrophy": "present"}),
    ],
)  # fmt: skip
def test_what_a_report_says(report: str, expected: dict[str, str]) -> None:
    assert found(report) == expected


@pytest.mark.parametrize(
    "report",
    ["Infarkt kann nicht ausgeschlossen werden", "Infarkt ist nicht ausgeschlossen.", "Infarkt ausgeschlossen?",
     "Infarkt nicht sicher ausgeschlossen", "Infarct not excluded", "Infarct is not excluded.", "STEMI excluded?",
     "Infarct is not ruled out", "Infarction has not been completely excluded",
     "Infarkt kann nicht ausgeschlossen werden, Sinusrhythmus"],
)  # fmt: skip
def test_what_is_not_excluded_is_doubted(report: str) -> None:
    said = found(report)
    assert said.pop("sinus rhythm", "present") == "present" and said == {"myocardial infarction": "uncertain"}


@pytest.mark.parametrize(
    "report",
    ["No change since 2012. Atrial fibrillation.", "No abnormality in V1-V3. Atrial fibrillation.",
     "Keine Änderung seit 2012. Vorhofflimmern."],
)  # fmt: skip
def test_a_full_stop_behind_a_year_or_a_lead_ends_the_sentence(report: str) -> None:
    assert found(report) == {"atrial fibrillation": "present"}


@pytest.mark.parametrize(
    ("report", "absent", "present"),
    [
        ("no ischaemia, infarction or LVH", 3, 0),
        ("keine Ischämie, Infarkt oder Linkshypertrophie", 3, 0),
        ("kein Hinweis auf Ischämie, Infarkt und Linkshypertrophie", 3, 0),
        ("no ectopy, ischaemia or infarction", 2, 0),
        ("No LVH or left axis deviation", 2, 0),
        ("No old, inferior infarct", 1, 0),
        ("kein Sinusrhythmus", 1, 0),
        ("No significant change, atrial fibrillation", 0, 1),
        ("No significant change, atrial fibrillation and LVH", 0, 2),
        ("Keine Änderung, Vorhofflimmern", 0, 1),
        ("Keine Extrasystolen, Vorhofflimmern", 0, 1),
        ("Keine ES, Sinusrhythmus", 0, 1),
        ("keine Ischämie, Sinusrhythmus und Linkstyp", 1, 2),
        ("keine Ischämie, Vorhofflimmern und Linkstyp", 1, 2),
        ("Not only atrial fibrillation but also LVH", 0, 2),
        ("Nicht nur Vorhofflimmern, Linksschenkelblock", 0, 2),
        ("Sinus rhythm is normal.", 0, 1),
        ("Sinus rhythm and axis is normal.", 0, 1),
    ],
)
def test_a_denial_reaches_a_list_and_no_other_matter(report: str, absent: int, present: int) -> None:
    said = list(found(report).values())
    assert (said.count("absent"), said.count("present"), len(said)) == (absent, present, absent + present)


@pytest.mark.parametrize(
    "report",
    ["Linksventrikuläre Hypertrophie, Ischämie möglich", "Ischämie nicht auszuschließen, Müdigkeit, Linkshypertrophie",
     "Linksatriale Vergrößerung, keine Ischämie"],
)  # fmt: skip
def test_umlauts_of_two_characters_are_read_as_those_of_one(report: str) -> None:
    apart = unicodedata.normalize("NFD", report)
    assert len(apart) > len(report) and len(found(report)) == 2 and found(apart) == found(report)
    words = [apart[one.start : one.end] for one in LEXICON.extract(apart).entities]
    assert words == [
        unicodedata.normalize("NFD", report[one.start : one.end]) for one in LEXICON.extract(report).entities
    ]


@pytest.mark.parametrize(
    ("report", "name"),
    [
        ("mit ventrikulären Extrasystolen", "ventricular extrasystoles"),
        ("Zeichen eines Hinterwandinfarkts", "inferior myocardial infarction"),
        ("Zustand nach Infarkten", "myocardial infarction"),
        ("Linksschenkelblockbild", "left bundle branch block"),
        ("linker Schenkelblock", "left bundle branch block"),
        ("kompletter rechter Schenkelblock", "complete right bundle branch block"),
        ("Linksschenkelblock kompl.", "complete left bundle branch block"),
        ("inkompl. Rechtsschenkelblock", "incomplete right bundle branch block"),
        ("Rechtsschenkelblock, inkomplett", "incomplete right bundle branch block"),
        ("Vorhofflimmerarrhythmie", "atrial fibrillation"),
        ("mit supraventrikulärer Arrhythmie", "supraventricular arrhythmia"),
        ("Linksatriale Vergrößerung", "left atrial enlargement"),
    ],
)
def test_german_compounds_and_inflections_are_found(report: str, name: str) -> None:
    assert found(report) == {name: "present"}


def test_an_ordinal_ends_no_sentence() -> None:
    assert found("Kein AV-Block 2. Grades") == {"second degree AV block": "absent"}


def test_left_and_right_and_degrees_are_kept_apart() -> None:
    assert set(found("complete lbbb and incomplete rbbb")) == {
        "complete left bundle branch block", "incomplete right bundle branch block",
    }  # fmt: skip
    assert set(found("vollständiger rechtsschenkelblock, a-v block ii")) == {
        "complete right bundle branch block", "second degree AV block",
    }  # fmt: skip


def test_a_span_is_the_words_of_the_report() -> None:
    report = "Rhythm:  SINUS  TACHYCARDIA.\nNo LVH"
    first, second = LEXICON.extract(report).entities
    assert report[first.start : first.end] == "SINUS  TACHYCARDIA"
    assert second.record(report) == {
        "name": "left ventricular hypertrophy", "status": "absent", "codes": {"scp": ["LVH"]},
        "span": [len(report) - 3, len(report)], "text": "LVH",
    }  # fmt: skip


def test_the_strongest_claim_counts() -> None:
    assert found("Possible LVH. Voltages meet criteria for LVH, LVH with strain.")["left ventricular hypertrophy"] == (
        "present"
    )


@pytest.mark.parametrize(
    ("report", "language"),
    [("sinus rhythm. normal ecg.", "en"), ("sinusrhythmus normales ekg", "de"), ("trace only requested.", "en"),
     ("V.a. Vorderwandinfarkt", "de"), ("Z.n. Hinterwandinfarkt.", "de"), ("Inferior STEMI", "en"),
     ("ecg inom normala gränser", "sv"),
     ("sinusrytm vÄnster el-axel eljest normalt ekg", "sv"), ("rythme sinusal, bloc de branche gauche", "fr"),
     ("xyz qwv", None), ("", None)],
)  # fmt: skip
def test_languages_are_told_apart(report: str, language: str | None) -> None:
    assert detect(normalised(report)) == language


@pytest.mark.parametrize(("report", "named"), [("sinusrytm normalt ekg", "Swedish"), ("qqq zzz", "no language")])
def test_another_language_is_said_and_not_guessed(report: str, named: str) -> None:
    with pytest.raises(InputError, match=named) as caught:
        LEXICON.extract(report)
    assert caught.value.kind == "unsupported-language"


def test_an_empty_report_is_no_report_without_findings() -> None:
    with pytest.raises(InputError) as caught:
        LEXICON.extract("  \n")
    assert caught.value.kind == "empty-report"


def test_codes_of_a_second_reader_count() -> None:
    assert found("sinus rhythm. Edit: ASMI 100, CRBBB")["complete right bundle branch block"] == "present"
    assert "left ventricular hypertrophy" not in found("sinus rhythm. XLVH")


def test_every_pattern_belongs_to_an_entity_of_the_table() -> None:
    for language in ("en", "de"):
        assert {name for name, _ in patterns(language)} <= set(entity_codes())
    names = [row["name"] for row in table("entities.tsv")]
    assert len(names) == len(set(names)) and codes("atrial fibrillation") == {"scp": ["AFIB"], "snomed": ["164889003"]}


@given(st.text(max_size=200))
def test_any_text_gives_spans_within_it_or_an_input_error(report: str) -> None:
    try:
        entities = LEXICON.extract(report).entities
    except InputError:
        return
    assert all(0 <= one.start < one.end <= len(report) for one in entities)
