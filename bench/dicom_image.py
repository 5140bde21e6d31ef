"""DICOM files to a model's input of 512 x 512, on one core: the reader here against pydicom's LUTs and a resize by PIL.

The way beside it is dcmread, pixel_array, apply_modality_lut, apply_voi_lut, scaled to 8 bits, inverted where the file
says so, and Image.resize to the same letterbox. pydicom decodes by the first decoder that it finds, the reader here by
the one that it trusts most, so that of a compressed file what comes on top of decoding counts: the time less that of
dcmread and pixel_array by the same decoder alone. JPEG lossless is decoded in a process of its own here, so seconds are
those of a clock. Rounds alternate, the best of each counts. `difference` is the largest between the two inputs, in grey
levels. A radiograph of 2,500 x 2,048 pixels of 12 bits is simulated; the other files are under MEDPIPE_DATA.

Usage: python bench/dicom_image.py, MEDPIPE_DATA set
"""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut, get_decoder, pixel_array
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from medpipe.core.vision.letterbox import Fit, fit_pixels
from medpipe.formats.dicom import open_dicom
from medpipe.formats.dicom_frames import DECODERS

SIDE, ROUNDS = 512, 7


def simulated(path: Path) -> Path:
    """Smooth shadows with noise, 12 bits in 16, with a window, MONOCHROME1."""
    rows, columns = np.mgrid[:2500, :2048] / 300
    values = 2000 + 1200 * np.sin(rows) * np.cos(columns) + np.random.default_rng(0).normal(0, 20, rows.shape)
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    data.Modality, data.PhotometricInterpretation, data.SamplesPerPixel = "DX", "MONOCHROME1", 1
    data.Rows, data.Columns = values.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.WindowCenter, data.WindowWidth, data.RescaleSlope, data.RescaleIntercept = "2000", "2600", "1", "0"
    data.PixelData = np.clip(values, 0, 4095).astype("<u2").tobytes()
    data["PixelData"].VR = "OW"
    data.save_as(path, enforce_file_format=True)
    return path


def ours(path: Path) -> np.ndarray:
    pixels = open_dicom(str(path))[0].read()
    return fit_pixels(pixels, Fit.make((pixels.shape[1], pixels.shape[0]), (SIDE, SIDE), "letterbox"))


def theirs(path: Path) -> np.ndarray:
    data = dcmread(path)
    values = apply_voi_lut(apply_modality_lut(data.pixel_array, data), data)
    signed = data.PixelRepresentation
    low, high = (-(1 << (data.BitsStored - 1)), (1 << (data.BitsStored - 1)) - 1) if signed else (
        0, (1 << data.BitsStored) - 1)  # fmt: skip
    slope, intercept = float(data.get("RescaleSlope", 1)), float(data.get("RescaleIntercept", 0))
    grey = (values - (low * slope + intercept)) / ((high - low) * slope) * 255
    grey = 255 - grey if data.PhotometricInterpretation == "MONOCHROME1" else grey
    pixels = np.rint(grey).astype(np.uint8)
    scale = SIDE / max(pixels.shape)
    rows, columns = (max(1, round(side * scale)) for side in pixels.shape)
    small = np.asarray(Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BICUBIC))
    whole = np.zeros((SIDE, SIDE, 3), np.uint8)
    top, left = (SIDE - rows) // 2, (SIDE - columns) // 2
    whole[top : top + rows, left : left + columns] = small[..., None]
    return whole


def decoded(path: Path) -> np.ndarray:
    return dcmread(path).pixel_array


def decoded_as_here(path: Path) -> np.ndarray:
    data = dcmread(path)
    there = get_decoder(data.file_meta.TransferSyntaxUID).available_plugins
    return pixel_array(data, decoding_plugin=next((name for name in DECODERS if name in there), ""))


def best(ways: list[Callable[[Path], np.ndarray]], path: Path) -> list[float]:
    """Least milliseconds of each way."""
    spent = [[] for _ in ways]
    for _ in range(ROUNDS):
        for kept, way in zip(spent, ways, strict=True):
            began = time.perf_counter()
            way(path)
            kept.append(1000 * (time.perf_counter() - began))
    return [min(one) for one in spent]


def main() -> None:
    warnings.simplefilter("ignore")
    folder = Path(os.environ["MEDPIPE_DATA"]) / "dicom"
    with tempfile.TemporaryDirectory() as place:
        files = {
            "radiograph 2500 x 2048, uncompressed": simulated(Path(place) / "x.dcm"),
            "MR2_UNCR 1024 x 1024, uncompressed": folder / "MR2_UNCR.dcm",
            "693_UNCR 512 x 512, uncompressed": folder / "693_UNCR.dcm",
            "RG3_J2KI 1760 x 1760, JPEG 2000": folder / "RG3_J2KI.dcm",
            "MR2_J2KR 1024 x 1024, JPEG 2000": folder / "MR2_J2KR.dcm",
            "JPGLosslessP14SV1 1024 x 768, JPEG lossless": folder / "JPGLosslessP14SV1_1s_1f_8b.dcm",
        }
        print(
            "| file | medpipe, ms | pydicom, PIL, ms | ratio | beyond decoding, ms | theirs, ms | share | difference |"
        )
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for name, path in files.items():
            mine, other, plain, as_here = best([ours, theirs, decoded, decoded_as_here], path)
            difference = int(np.abs(ours(path).astype(int) - theirs(path)).max())
            top = (f"{mine - as_here:.1f} | {other - plain:.1f} | {(mine - as_here) / (other - plain):.2f}"
                   if "uncompressed" not in name else " |  | ")  # fmt: skip
            print(f"| {name} | {mine:.1f} | {other:.1f} | {other / mine:.1f} | {top} | {difference} |")


if __name__ == "__main__":
    main()
