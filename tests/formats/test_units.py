import pytest

from medpipe.formats.units import millivolts


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("mV", 1.0), ("mv", 1.0), ("uV", 1e-3), ("\u00b5V", 1e-3), ("\u03bcV", 1e-3), ("microvolt", 1e-3),
        ("Microvolts", 1e-3), ("V", 1e3), ("nV", 1e-6), (" mV ", 1.0), ("millivolts", 1.0),
    ],
)  # fmt: skip
def test_voltages_become_millivolts(unit, factor):
    assert millivolts(unit) == (factor, "mV")


@pytest.mark.parametrize("unit", ["mmHg", "NU", "bpm", "adu", "mV/s", "%"])
def test_other_units_keep_their_name(unit):
    assert millivolts(unit) == (None, unit)


@pytest.mark.parametrize("unit", ["", "  ", "none", "Unknown", "n/a"])
def test_absent_units_are_unknown(unit):
    assert millivolts(unit) == (None, "unknown")
