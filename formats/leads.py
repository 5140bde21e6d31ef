"""Lead names: one canonical spelling for each electrode pair, whatever the file calls it."""

from __future__ import annotations

from functools import lru_cache

STANDARD_12 = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

_LIMB = {"i": "I", "ii": "II", "iii": "III", "avr": "aVR", "avl": "aVL", "avf": "aVF", "-avr": "-aVR"}
_CHEST = {f"v{n}": f"V{n}" for n in range(1, 10)} | {f"v{n}r": f"V{n}R" for n in range(1, 10)}
_FRANK = {f"v{axis}": f"V{axis}" for axis in "xyz"}
# Modified limb leads of ambulatory recorders: electrodes on the trunk.
_MODIFIED = {"mli": "MLI", "mlii": "MLII", "mliii": "MLIII"}
# Romance languages say `derivation`; the older names have a digit in place of the Roman numeral.
_DERIVATION = {"di": "I", "dii": "II", "diii": "III"}
_BARE = _LIMB | _CHEST | _FRANK | _MODIFIED | _DERIVATION
# Only where the name says that it is a lead: a lone `X` may be an accelerometer, a lone `1` a channel.
_PREFIXED = (
    _BARE
    | {axis: f"V{axis}" for axis in "xyz"}
    | {"1": "I", "2": "II", "3": "III", "i(einthoven)": "I", "minusavr": "-aVR"}
)
_PREFIXES = ("mdcecglead", "ecglead", "ekglead", "lead", "frank", "ecg", "ekg", "derivation")
# `ECG 1` is as a rule the first channel, whatever lead it is; `Lead 1` is lead I.
_CHANNEL_PREFIXES = ("ecg", "ekg")
_MODEL = {"MLI": "I", "MLII": "II", "MLIII": "III"}
_KNOWN = frozenset((*_BARE.values(), *_PREFIXED.values()))


def is_lead(name: str) -> bool:
    """Whether `canonical_lead` knows the name."""
    return canonical_lead(name) in _KNOWN


@lru_cache(maxsize=4096)
def canonical_lead(name: str) -> str:
    """Canonical name of a lead; a name that is not known comes back as it is, without outer blanks.

    Known are the twelve standard leads, `-aVR`, right-sided (V3R) and posterior leads (V7 to V9), the
    Frank leads (Vx, Vy, Vz) and modified limb leads (MLI, MLII, MLIII), in any case, with blanks or
    underscores, after `Lead`, `ECG`, `EKG` or as an ISO/IEEE 11073-10102 code (`MDC_ECG_LEAD_AVR`), and the
    limb leads as DI, DII and DIII. `-aVR` and MLII are leads of their own and keep their names.
    """
    bare = name.strip()
    key = bare.lower().replace(" ", "").replace("_", "")
    known = _BARE.get(key)
    if known is not None:
        return known
    for prefix in _PREFIXES:
        if not key.startswith(prefix):
            continue
        rest = key.removeprefix(prefix)
        rest = rest[1:] if rest[:1] in (":", ".", "-") and rest != "-avr" else rest
        if prefix in _CHANNEL_PREFIXES and rest.isdigit():
            return bare
        return _PREFIXED.get(rest, bare)
    return bare


def model_lead(name: str) -> str:
    """The standard lead that a model should take a lead for: modified limb leads stand for their namesakes.

    Moody and Mark (IEEE Eng Med Biol 20(3), 2001) call MLII of the MIT-BIH database a modified lead II with
    its electrodes on the chest, and work on that database uses it as lead II. Beats and rhythm carry over;
    the frontal axis and amplitudes may differ (Mason and Likar, Am Heart J 71, 1966), so the file's own name
    is kept by `canonical_lead` and only this function puts them together. Every other lead is itself.
    """
    known = canonical_lead(name)
    return _MODEL.get(known, known)
