"""What in a PNG, JPEG or TIFF file may identify a person beside its pixels: names of entries, never their values."""

from __future__ import annotations

from typing import Any, Final

_EXIF, _GPS = 0x8769, 0x8825
# Of a camera's entries those that name people, places, times and devices, or are free text.
_ENTRIES: Final = frozenset(
    """
    Artist BodySerialNumber CameraOwnerName CameraSerialNumber Copyright DateTime DateTimeDigitized DateTimeOriginal
    DocumentName HostComputer ImageDescription ImageHistory ImageID ImageUniqueID LensSerialNumber MakerNote PageName
    TargetPrinter UserComment XPAuthor XPComment XPKeywords XPSubject XPTitle
    """.split()  # noqa: SIM905
)
# Keywords that PNG's standard gives; what others are called may itself be about a person.
_KEYWORDS: Final = ("Author", "Comment", "Copyright", "Creation Time", "Description", "Disclaimer", "Source", "Title",
                    "Warning")  # fmt: skip
_BLOCKS: Final = {"xmp": "XMP", "XML:com.adobe.xmp": "XMP", "comment": "Comment", "photoshop": "IPTC"}


def picture_identity(file: Any) -> dict[str, Any]:
    """Of a picture that Pillow has opened and loaded: `tags` as a DICOM header's, all of the kind `metadata`."""
    from PIL.ExifTags import TAGS

    exif = file.getexif()
    entries = {**exif, **exif.get_ifd(_EXIF)}
    named = {TAGS.get(number, "") for number, value in entries.items() if value} & _ENTRIES
    named |= {"GPSInfo"} if exif.get_ifd(_GPS) else set()
    named |= {name for key, name in _BLOCKS.items() if file.info.get(key)}
    for key, value in getattr(file, "text", {}).items():
        if value and key not in _BLOCKS and key != "Software":
            named.add(_called(key))
    return {"burned_in": "unknown", "recognizable": "unknown", "deidentified": "unknown",
            "tags": {"metadata": sorted(named)} if named else {}, "private": 0}  # fmt: skip


def _called(key: str) -> str:
    from pydicom.datadict import tag_for_keyword

    return key if key in _KEYWORDS or tag_for_keyword(key) is not None else "text of another name"
