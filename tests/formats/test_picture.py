"""PNG, JPEG and TIFF as Pillow reads them; damage is one clear line."""

from __future__ import annotations

import contextlib
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PIL.PngImagePlugin import PngInfo

from medpipe.cli.identity import with_identity
from medpipe.formats.errors import FormatError
from medpipe.formats.picture import open_picture

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 9)).astype(np.uint8)
DEEP = RNG.integers(0, 65536, (6, 9)).astype(np.uint16)
COLOUR = RNG.integers(0, 256, (6, 9, 3)).astype(np.uint8)


def save(path: Path, pixels: np.ndarray, mode: str | None = None, **options: object) -> str:
    image = PIL.Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return str(path)


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_grey_and_colour_come_out_as_they_are(tmp_path: Path, name: str) -> None:
    for pixels in (GREY, COLOUR):
        (found,) = open_picture(save(tmp_path / name, pixels))
        assert found.shape == pixels.shape and found.dtype == np.uint8
        np.testing.assert_array_equal(found.read(), pixels)


def test_deep_grey_is_shown_in_8_bits_or_kept(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", DEEP)
    np.testing.assert_array_equal(open_picture(path)[0].read(), np.rint(DEEP / 65535 * 255))
    kept = open_picture(path, "none")[0]
    assert kept.dtype == np.uint16
    np.testing.assert_array_equal(kept.read(), DEEP)
    assert open_picture(path, "30000,20000")[0].pixels["voi"]["center"] == 30000


@pytest.mark.parametrize(("mode", "shape"), [("RGBA", (6, 9, 3)), ("LA", (6, 9)), ("P", (6, 9, 3)), ("1", (6, 9))])
def test_other_modes_become_grey_or_rgb(tmp_path: Path, mode: str, shape: tuple[int, ...]) -> None:
    (found,) = open_picture(save(tmp_path / "x.png", COLOUR, mode))
    assert found.shape == shape == found.read().shape and found.read().dtype == found.dtype == np.uint8
    assert ("transparency" in found.said) == (mode in ("RGBA", "LA"))


def test_each_page_is_a_picture(tmp_path: Path) -> None:
    pages = [PIL.Image.fromarray(np.full((4, 5), value, np.uint8)) for value in (1, 2, 3)]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
    assert [int(page.read()[0, 0]) for page in open_picture(str(tmp_path / "x.tif"))] == [1, 2, 3]


def test_a_picture_that_lies_on_its_side_is_turned(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    (found,) = open_picture(save(tmp_path / "x.png", GREY, exif=exif))
    assert found.shape == (9, 6) and "EXIF orientation 6" in found.said["turned"]
    np.testing.assert_array_equal(found.read(), np.rot90(GREY, -1))


def tiff(path: Path, deep: np.ndarray, *, white: int, order: str = "<") -> str:
    """A plain TIFF of 16 bits; white is 0 where the photometric interpretation is."""
    rows, columns = deep.shape
    entries = [(256, columns), (257, rows), (258, 16), (259, 1), (262, white), (273, 122), (277, 1), (278, rows)]
    entries.append((279, deep.nbytes))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    head += b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in entries)
    path.write_bytes(head + bytes(4) + deep.astype(f"{order}u2").tobytes())
    return str(path)


def test_deep_grey_whose_white_is_zero_is_turned_over(tmp_path: Path) -> None:
    plain, inverted = (open_picture(tiff(tmp_path / f"{white}.tif", DEEP, white=white))[0] for white in (1, 0))
    assert plain.pixels.get("inverted") is None and inverted.pixels["inverted"] is True
    np.testing.assert_array_equal(plain.read(), np.rint(DEEP / 65535 * 255))
    np.testing.assert_array_equal(inverted.read(), np.rint((1 - DEEP / 65535) * 255))
    np.testing.assert_array_equal(open_picture(str(tmp_path / "0.tif"), "none")[0].read(), DEEP)


def test_deep_grey_of_either_byte_order_is_kept(tmp_path: Path) -> None:
    for order in "<>":
        (found,) = open_picture(tiff(tmp_path / "x.tif", DEEP, white=1, order=order), "none")
        assert found.read().dtype == found.dtype and found.dtype.isnative
        np.testing.assert_array_equal(found.read(), DEEP)


def test_colours_of_16_bits_are_said_to_be_cut(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in np.stack([DEEP] * 3, axis=2))
    size = struct.pack(">IIBBBBB", 9, 6, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    (found,) = open_picture(str(tmp_path / "x.png"))
    assert found.said == {"bits": "16, the lower 8 left out"}
    np.testing.assert_array_equal(found.read()[..., 0], DEEP >> 8)


def test_an_orientation_that_is_none_turns_nothing(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 99
    (found,) = open_picture(save(tmp_path / "x.png", GREY, exif=exif))
    assert "turned" not in found.said and np.array_equal(found.read(), GREY)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", None])
def test_decoders_say_nothing_of_their_own(tmp_path: Path, capfd: pytest.CaptureFixture[str], compression) -> None:
    path = Path(save(tmp_path / "x.tif", np.tile(DEEP, (9, 9)), compression=compression))
    raw = bytearray(path.read_bytes())
    for damaged in (raw[: len(raw) * 2 // 3], raw[:30], raw[:1200] + bytes(200) + raw[1400:]):
        path.write_bytes(damaged)
        with contextlib.suppress(FormatError), warnings.catch_warnings(action="error"):
            open_picture(str(path))[0].read()
        assert capfd.readouterr().err == ""


def test_floats_have_no_range_to_show(tmp_path: Path) -> None:
    path = save(tmp_path / "x.tif", GREY.astype(np.float32))
    with pytest.raises(FormatError, match="give --voi"):
        open_picture(path)
    np.testing.assert_array_equal(open_picture(path, "none")[0].read(), GREY)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_damaged_picture_is_an_error(tmp_path: Path, share: float) -> None:
    path = Path(save(tmp_path / "x.jpg", np.tile(COLOUR, (20, 20, 1))))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(FormatError, match="damaged"):
        open_picture(str(path))[0].read()


def test_a_picture_beyond_any_scanner_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "x.png", GREY)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(FormatError, match="more pixels"):
        open_picture(path)


def test_entries_that_may_identify_are_named(tmp_path: Path) -> None:
    told = PngInfo()
    told.add_text("PatientName", "DOE^JOHN")
    told.add_text("John Doe", "yes")
    told.add_text("Software", "a scanner")
    exif = PIL.Image.Exif()
    exif[0x013B], exif[0x0132] = "John Doe", "2020:01:01 10:10:10"
    image = PIL.Image.new("L", (4, 4))
    image.save(tmp_path / "x.png", pnginfo=told)
    image.save(tmp_path / "x.jpg", exif=exif, comment=b"Doe")
    image.save(tmp_path / "x.tif", description="Doe")
    image.save(tmp_path / "clean.png")
    found = {path.name: open_picture(str(path))[0].identity()["tags"] for path in tmp_path.iterdir()}
    assert found == {
        "x.png": {"metadata": ["PatientName", "text of another name"]}, "clean.png": {},
        "x.jpg": {"metadata": ["Artist", "Comment", "DateTime"]}, "x.tif": {"metadata": ["ImageDescription"]},
    }  # fmt: skip


def test_where_nobody_has_looked_nothing_is_clean() -> None:
    record = {"id": "x", "image": np.zeros((4, 4), np.uint8)}
    assert with_identity(record, refuse=False)["phi"]["tags"] is None
    with pytest.raises(FormatError, match="nobody has looked"):
        with_identity(record, refuse=True)
