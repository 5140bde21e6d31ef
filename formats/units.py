"""Units of a signal: voltages become millivolts, everything else keeps its name."""

from __future__ import annotations

_FACTORS = {"nano": 1e-6, "micro": 1e-3, "milli": 1.0, "": 1e3}
_SYMBOLS = {"n": "nano", "u": "micro", "\u00b5": "micro", "\u03bc": "micro", "m": "milli", "": ""}
# Symbols are compared without case: headers write `mv` and `UV`, and no ECG is in megavolts.
_VOLTAGES = {f"{symbol}v": _FACTORS[prefix] for symbol, prefix in _SYMBOLS.items()}
_VOLTAGES |= {f"{prefix}{noun}": factor for prefix, factor in _FACTORS.items() for noun in ("volt", "volts")}
_NAMELESS = {"", "none", "unknown", "n/a", "na", "-", "?", "unitless"}


def millivolts(unit: str) -> tuple[float | None, str]:
    """Factor from a unit to millivolts and the name of the resulting unit.

    A voltage gives (factor, "mV"); an absent name (None, "unknown"); any other unit, such as mmHg or NU,
    (None, its own name).
    """
    bare = unit.strip()
    # Lower case first: it keeps both code points for micro apart from the capital letter mu.
    factor = _VOLTAGES.get(bare.lower())
    if factor is not None:
        return factor, "mV"
    return (None, "unknown") if bare.lower() in _NAMELESS else (None, bare)
