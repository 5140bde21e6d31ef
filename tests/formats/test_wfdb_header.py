from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medpipe.formats.errors import FormatError
from medpipe.formats.wfdb_header import parse_header

LINE = b"r.dat 16 200/mV 12 0 0 0 0 I\n"


def kind_of(raw):
    with pytest.raises(FormatError) as caught:
        parse_header(raw)
    assert "\n" not in str(caught.value)
    return caught.value.kind


def test_a_complete_header_is_taken_apart():
    header = parse_header(
        b"#top\nrec_1 2 360.5/120(10.5) 650000 12:30:00 01/02/1990\r\n"
        b"a.dat 212x2:3+24 200.5(1024)/uV 11 512 995 -22131 0 Lead II \n"
        b"b.dat 16 1e-3 16 7\n# Age: 61  \n#<sex>: F <diagnoses> none, known\n"
    )
    assert (header.fs, header.samples, header.count) == (360.5, 650000, 2)
    first, second = header.signals
    assert (first.storage.format, first.storage.per_frame, first.storage.skew, first.storage.offset) == (212, 2, 3, 24)
    assert (first.calibration.gain, first.baseline, first.calibration.unit) == (200.5, 1024, "mV")
    assert (first.resolution, first.zero, first.initial, first.checksum, first.name) == (
        11,
        512,
        995,
        -22131,
        "Lead II",
    )
    assert (second.calibration.gain, second.baseline, second.initial, second.checksum) == (1e-3, 7, 7, None)
    fields = header.fields()
    assert (fields["age"], fields["sex"], fields["diagnoses"], fields["time"]) == ("61", "F", "none, known", "12:30:00")
    assert fields["counter_frequency"] == "120"


def test_defaults_are_those_of_the_specification():
    header = parse_header(b"r 1\nr.dat 16\n")
    signal = header.signals[0]
    assert (header.fs, header.default_fs, header.samples) == (250.0, True, None)
    assert (signal.calibration.gain, signal.calibration.default_gain, signal.baseline) == (200.0, True, 0)
    assert parse_header(b"r 1 250 9\nr.dat 16 0 12 1024\n").signals[0].baseline == 1024


def test_a_unit_in_latin_1_is_understood():
    for text in ("r.dat 16 2/\u00b5V".encode("latin-1"), "r.dat 16 2/\u00b5V".encode()):
        assert parse_header(b"r 1 250 9\n" + text).signals[0].calibration.factor == 1e-3


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"", "bad-header"), (b"\n # only\n", "bad-header"), (b"\x00\x01\x02", "bad-header"),
        (b"\x89PNG\r\n\x1a\n", "bad-header"), (b"r\n", "bad-header"), (b"r 0 500 10\n", "empty"),
        (b"r 1 0 10\n" + LINE, "bad-rate"), (b"r 1 nan 10\n" + LINE, "bad-rate"),
        (b"r 1 -5 10\n" + LINE, "bad-rate"), (b"r 1 1.2.3 10\n" + LINE, "bad-rate"),
        (b"r x 500 10\n" + LINE, "bad-header"), (b"r 1 500 1_0\n" + LINE, "bad-header"),
        (b"r 1 500 -3\n" + LINE, "bad-header"), (b"r 2 500 10\n" + LINE, "bad-header"),
        (b"r 1 500 10\n" + LINE + LINE, "bad-header"), (b"r 1 500 10\nr.dat\n", "bad-header"),
        (b"r 1 500 10\nr.dat x6 200\n", "bad-header"), (b"r 1 500 10\nr.dat 16x0 200\n", "bad-header"),
        (b"r 1 500 10\nr.dat 16 inf\n", "bad-header"), (b"r 1 500 10\nr.dat 16 2 a 0 0 0 0 I\n", "bad-header"),
        (b"r 1 500 10\nr.dat 16 2 1_2 0 0 0 0 I\n", "bad-header"),
        (b"r 1 500 10\nr.dat 16 2 12 " + b"9" * 30 + b" 0 0 0 I\n", "bad-header"),
        (b"r/2 1 500 10\nr_1 10\n", "bad-header"), (b"r/1 1 500 10\nr_1\n", "bad-header"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "lfs-pointer"),
        (b"/annex/objects/SHA256E-s1--0.hea\n", "annex-pointer"),
    ],
)  # fmt: skip
def test_what_is_no_header_is_refused(raw, kind):
    assert kind_of(raw) == kind


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_no_bytes_raise_anything_but_a_format_error(raw):
    with suppress(FormatError):
        parse_header(raw)


TOKEN = st.sampled_from(
    ["r", "r/2", "1", "2", "0", "-1", "500", "1e9999", "16", "212x2", "8:1", "16+24", "200(5)/mV", "1e-320", "/", "(",
     "~", "#", "\n", "\n", "r.dat", "../r.dat", "9" * 5000, "\u0663", "\u00b5"]
)  # fmt: skip


@given(st.lists(TOKEN, max_size=40).map(" ".join))
@settings(max_examples=300, deadline=None)
def test_no_shuffled_header_raises_anything_but_a_format_error(text):
    with suppress(FormatError):
        parse_header(text.encode())
