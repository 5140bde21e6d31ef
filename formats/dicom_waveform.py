"""DICOM waveform objects: 12-lead, general and ambulatory ECG (PS3.3 C.10.9)."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.dicom_identity import identity_facts
from medpipe.formats.ecg import Ecg
from medpipe.formats.errors import FormatError
from medpipe.formats.leads import canonical_lead
from medpipe.formats.units import millivolts

_DTYPES = {(8, "SB"): "i1", (8, "UB"): "u1", (16, "SS"): "i2", (16, "US"): "u2", (32, "SL"): "i4"}
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
# Waveform objects without an ECG channel: audio, arterial pulse, respiration, EEG, EMG and EOG, body position.
_OTHER_WAVEFORMS = tuple(f"1.2.840.10008.5.1.4.1.1.9.{kind}." for kind in (4, 5, 6, 7, 8))
# SCP-ECG codes (5.6.3-9-N) and MDC codes (2:N) share these numbers: context group 3001, "ECG Leads", of PS3.16.
_LEAD_CODE = re.compile(r"(?:5\.6\.3-9-|2:)(\d+)")
_LEADS = {1: "I", 2: "II", 61: "III", 62: "aVR", 63: "aVL", 64: "aVF", 65: "-aVR", 16: "Vx", 17: "Vy", 18: "Vz"}
_LEADS |= {n: f"V{n - 2}" for n in range(3, 10)} | {n: f"V{n - 8}R" for n in range(10, 16)}
_LEADS |= {66: "V8", 67: "V9", 68: "V8R", 69: "V9R"}
_GROUPS = {"RHYTHM": "rhythm", "MEDIAN BEAT": "median beat"}


def open_waveforms(data: Any, headers: dict[str, Any]) -> list[Ecg]:
    """One recording for each multiplex group of a data set.

    Raises:
        FormatError: damaged, truncated, or an object without an electrocardiogram.
    """
    try:
        if str(data.get("SOPClassUID", "")).startswith(_OTHER_WAVEFORMS):
            raise FormatError("not-an-ecg", "the DICOM object holds a waveform, but no ECG")
        big = str(getattr(data.file_meta, "TransferSyntaxUID", "")) == _BIG_ENDIAN
        found = [_group(group, big, headers) for group in data.WaveformSequence]
        for one in found:
            one.identity = lambda: identity_facts(data)
        return found
    except FormatError:
        raise
    except Exception as error:  # a damaged element may raise anything at all
        raise FormatError("bad-header", "the DICOM waveform lacks a required value, or holds a wrong one") from error


def _group(group: Any, big: bool, headers: dict[str, Any]) -> Ecg:
    channels, samples = int(group.NumberOfWaveformChannels), int(group.NumberOfWaveformSamples)
    fs = float(group.SamplingFrequency)
    if channels < 1 or samples < 1:
        raise FormatError("empty", "the DICOM waveform holds no sample")
    if not 0 < fs < 1e7:
        raise FormatError("bad-rate", "the DICOM waveform's sampling rate is not above zero")
    counts = _counts(group, channels, samples, big)
    definitions = list(group.ChannelDefinitionSequence)
    if len(definitions) != channels:
        raise FormatError("bad-header", "the DICOM waveform does not define as many channels as it holds")
    scales = [_scale(one) for one in definitions]
    factor, offset, units = zip(*scales, strict=True)
    slope, shift = np.array(factor, np.float64), np.array(offset, np.float64)
    absent = _padding(group, counts.dtype)

    def read(start: int, stop: int) -> NDArray[np.float32]:
        part = counts[start:stop].T
        values = (part * slope[:, None] + shift[:, None]).astype(np.float32)
        if absent is not None:
            values[part == absent] = np.nan
        return values

    def read_digital(start: int, stop: int) -> NDArray[np.int32]:
        part = counts[start:stop].T.astype(np.int32)
        if absent is not None:
            part[part == absent] = np.iinfo(np.int32).min
        return part

    zero = -shift / slope
    whole = bool(np.all(np.abs(zero - np.rint(zero)) < 1e-9))
    label = _GROUPS.get(str(group.get("MultiplexGroupLabel", "")).strip().upper())
    return Ecg(
        format="dicom",
        fs=fs,
        leads=[_lead(one, number) for number, one in enumerate(definitions, 1)],
        units=list(units),
        samples=samples,
        read=read,
        read_digital=read_digital if whole else None,
        gain=[float(1 / one) for one in slope] if whole else None,
        baseline=[int(one) for one in np.rint(zero)] if whole else None,
        adc_range=_adc_range(definitions, counts.dtype, slope, shift),
        headers=headers,
        said=_said(definitions, units) | ({"group": label} if label else {}),
    )


def _counts(group: Any, channels: int, samples: int, big: bool) -> NDArray[Any]:
    kind = _DTYPES.get((int(group.WaveformBitsAllocated), str(group.WaveformSampleInterpretation)))
    if kind is None:
        raise FormatError(
            "unsupported",
            "the DICOM waveform's samples are of a kind that is not read: 8, 16 and signed 32 bit integers are",
        )
    dtype = np.dtype((">" if big else "<") + kind)
    raw = bytes(group.WaveformData)
    needed = channels * samples * dtype.itemsize
    if len(raw) < needed:
        raise FormatError("truncated", f"the DICOM waveform holds {len(raw)} bytes, its header promises {needed}")
    return np.frombuffer(raw, dtype, channels * samples).reshape(samples, channels)


def _scale(channel: Any) -> tuple[float, float, str]:
    """Factor and offset from a count to mV, or to the channel's own unit, and the unit's name."""
    if "ChannelSensitivity" not in channel:
        return 1.0, 0.0, "unknown"
    sensitivity = float(channel.ChannelSensitivity) * float(channel.get("ChannelSensitivityCorrectionFactor") or 1.0)
    if not np.isfinite(sensitivity) or sensitivity == 0:
        raise FormatError("bad-header", "a DICOM channel's sensitivity is zero or not a number")
    source = channel.get("ChannelSensitivityUnitsSequence")
    factor, unit = millivolts(str(source[0].get("CodeValue", "")) if source else "")
    factor = 1.0 if factor is None else factor
    return sensitivity * factor, float(channel.get("ChannelBaseline") or 0.0) * factor, unit


def _lead(channel: Any, number: int) -> str:
    source = channel.get("ChannelSourceSequence")
    if source:
        code, meaning = str(source[0].get("CodeValue", "")), str(source[0].get("CodeMeaning", ""))
        if code.upper().startswith("MDC_ECG_LEAD"):
            return canonical_lead(code)
        numbered = _LEAD_CODE.fullmatch(code)
        if numbered and int(numbered[1]) in _LEADS:
            return _LEADS[int(numbered[1])]
        if meaning:
            return canonical_lead(re.sub(r"\s*\(.*\)\s*$", "", meaning))
    label = str(channel.get("ChannelLabel") or "").strip()
    return canonical_lead(label) if label else f"channel {number}"


def _padding(group: Any, dtype: np.dtype[Any]) -> int | None:
    value = group.get("WaveformPaddingValue")
    if value is None or value == b"":
        return None
    if isinstance(value, bytes):
        return int(np.frombuffer(value[: dtype.itemsize], dtype)[0]) if len(value) >= dtype.itemsize else None
    return int(value)


def _adc_range(
    definitions: list[Any], dtype: np.dtype[Any], slope: NDArray[np.float64], shift: NDArray[np.float64]
) -> list[tuple[float, float]]:
    found = []
    for channel, factor, offset in zip(definitions, slope, shift, strict=True):
        bits = int(channel.get("WaveformBitsStored") or 0)
        bits = bits if 0 < bits <= 8 * dtype.itemsize else 8 * dtype.itemsize
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if dtype.kind == "i" else (0, 2**bits - 1)
        ends = sorted((low * factor + offset, high * factor + offset))
        found.append((float(ends[0]), float(ends[1])))
    return found


def _said(definitions: list[Any], units: tuple[str, ...]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    skews = [float(channel.get("ChannelSampleSkew") or 0) for channel in definitions]
    if any(skews):
        said["skew_samples"] = skews
    delays = [float(channel.get("ChannelTimeSkew") or 0) for channel in definitions]
    if any(delays):
        said["skew_seconds"] = delays
    if "unknown" in units:
        said["units"] = "not named by the header for every lead"
    return said
