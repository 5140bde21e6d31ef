"""Which language a report is in, by words that ECG reports of that language have and others have not."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from medpipe.core.ecg.reports.text import table

SUPPORTED: Final = {"en": "English", "de": "German"}
_WORDS: Final = {
    "en": "the is are in of with and or no not this may due to rhythm wave waves normal ecg sinus left right block axis"
    " deviation branch bundle segments leads voltage infarction fibrillation beats tracing changes possible probable"
    " stemi trace tachycardia bradycardia old cannot excluded inversion depression elevation hypertrophy premature",
    "de": "der die das und oder in von mit kein keine nicht ekg sinusrhythmus rhythmus normales normal lagetyp linkstyp"
    " zustand nach verdacht auf"
    " rechtstyp typ block links rechts schenkelblock rechtsschenkelblock linksschenkelblock vorhofflimmern flattern"
    " extrasystole ableitungen infarkt wahrscheinlich möglich auszuschliessen alter unbestätigter bericht abnorm"
    " abnormales abnormes sinustachykardie sinusbradykardie arrhythmie linkshypertrophie niederspannung"
    " pathologisches pathologisch sonst ueberdrehter steiltyp indifferenztyp llt mlt hemiblock leitungsstörung senkung",
    "sv": "och med vid av ej sinusrytm rytm normalt ekg eljest vänster höger el-axel axel förändring sänkning förlopp"
    " avvikande infarkt ischemi sannolikt såsom skänkelblock sinustachykardi sinusbradykardi förmaksflimmer inga"
    " extraslag inom normala gränser ecg ospecifik ospecifikt bör övervägas möjligen ålder bestämmbar belastning"
    " extremitetsavledningarna",
    "fr": "le la les des et ou du de sans avec rythme sinusal onde ondes bloc branche gauche droit axe normal électro"
    " cardiogramme ecg ischémie infarctus fibrillation auriculaire tachycardie bradycardie",
    "es": "el la los las y o con sin ritmo sinusal onda ondas bloqueo rama izquierda derecha eje normal isquemia"
    " infarto fibrilación auricular taquicardia bradicardia",
    "it": "il lo la gli e o con senza ritmo sinusale onda onde blocco branca sinistra destra asse normale ischemia"
    " infarto fibrillazione atriale tachicardia bradicardia",
    "nl": "het de een en of met geen sinusritme ritme linker rechter bundeltakblok normaal infarct boezemfibrilleren",
    "pt": "o os as e ou com sem ritmo sinusal onda ondas bloqueio ramo esquerdo direito eixo normal isquemia infarto",
}
NAMES: Final = {
    **SUPPORTED,
    "sv": "Swedish",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "nl": "Dutch",
    "pt": "Portuguese",
}
_WORD: Final = re.compile(r"[^\W\d_][^\W\d_-]*(?:-[^\W\d_]+)*")
# What German compounds end in (`Vorderwandinfarkt`, `st-senkung`), and abbreviations of its reports (`V.a.`, `Z.n.`).
_GERMAN: Final = re.compile(
    r"\w(?:wandinfarkt|schenkelblock|hypertrophie|rhythmus|flimmern|flattern|senkung|hebung|störung|schaden|spannung"
    r"|verlängerung|tachykardie|bradykardie|flimmerarrhythmie|lagetyp)(?:e?n|e?s|bild)?\b|\b[vz]\.\s?[an]\."
)
_LONG_WORD: Final = re.compile(r"(?<![\w\\])[^\W\d_]{5,}(?!\w)")
# Of a report's words, the share that its language must know.
_LEAST: Final = 0.2


@lru_cache(maxsize=1)
def _vocabulary() -> dict[str, frozenset[str]]:
    """The words of each language, those of the lexicon's tables among them."""
    made = {language: set(words.split()) for language, words in _WORDS.items()}
    for language in SUPPORTED:
        for row in table(f"lexicon_{language}.tsv"):
            made[language].update(_LONG_WORD.findall(row["pattern"]))
    return {language: frozenset(words) for language, words in made.items()}


def detect(text: str) -> str | None:
    """Two letters for the language of a normalised report; None where no language knows enough of its words."""
    words = _WORD.findall(text)
    known = {language: sum(word in own for word in words) for language, own in _vocabulary().items()}
    known["de"] += len(_GERMAN.findall(text))
    # Equal counts go to the first, so a lone `ecg` is English.
    best = max(known, key=lambda language: known[language])
    return best if words and known[best] and known[best] >= _LEAST * len(words) else None
