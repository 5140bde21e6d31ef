"""What in a DICOM header identifies a person, by the names of its elements; values are never looked at.

The elements are those that the basic confidentiality profile (PS3.15, table E.1-1) removes, empties or replaces: by
their type where it says enough (names of people, dates and times, unique identifiers, free text), the others by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final, NamedTuple

from medpipe.formats.silence import silence

# Places, staff, devices, orders and visits; what a study is called; what a person is like.
_NUMBERS: Final = frozenset(
    """
    AccessionNumber ActualHumanPerformersSequence AdmissionID AuthorObserverSequence BranchOfService CassetteID
    ClinicalTrialCoordinatingCenterName ClinicalTrialProtocolEthicsCommitteeApprovalNumber ClinicalTrialProtocolID
    ClinicalTrialSeriesID ClinicalTrialSiteID ClinicalTrialSiteName ClinicalTrialSponsorName ClinicalTrialSubjectID
    ClinicalTrialSubjectReadingID ClinicalTrialTimePointID ConsultingPhysicianName CountryOfResidence
    CurrentPatientLocation CustodialOrganizationSequence DetectorID DeviceID DeviceLabel DeviceSerialNumber
    DigitalSignaturesSequence EncryptedAttributesSequence FillerOrderNumberImagingServiceRequest GantryID
    GeneratorID HumanPerformerName HumanPerformerOrganization InstitutionAddress InstitutionCodeSequence
    InstitutionName InstitutionalDepartmentName InsurancePlanIdentification IssuerOfAccessionNumberSequence
    IssuerOfAdmissionID IssuerOfPatientID MedicalRecordLocator MilitaryRank ModifiedAttributesSequence
    NameOfPhysiciansReadingStudy NamesOfIntendedRecipientsOfResults Occupation OperatorIdentificationSequence
    OperatorsName OrderCallbackPhoneNumber OrderEnteredBy OrderEntererLocation OrderFillerIdentifierSequence
    OrderPlacerIdentifierSequence OriginalAttributesSequence OtherPatientIDs OtherPatientIDsSequence
    OtherPatientNames ParticipantSequence PatientAddress PatientBirthDate PatientBirthName PatientBirthTime
    PatientID PatientInstitutionResidence PatientInsurancePlanCodeSequence PatientMotherBirthName PatientName
    PatientPrimaryLanguageCodeSequence PatientReligiousPreference PatientState PatientTelecomInformation
    PatientTelephoneNumbers PerformedLocation PerformedProcedureStepID PerformedStationAETitle PerformedStationName
    PerformedStationNameCodeSequence PerformingPhysicianIdentificationSequence PerformingPhysicianName PersonAddress
    PersonIdentificationCodeSequence PersonName PersonTelephoneNumbers PhysiciansOfRecord
    PhysiciansOfRecordIdentificationSequence PhysiciansReadingStudyIdentificationSequence
    PlacerOrderNumberImagingServiceRequest PlateID ReferencedPatientPhotoSequence ReferencedPatientSequence
    ReferringPhysicianAddress ReferringPhysicianIdentificationSequence ReferringPhysicianName
    ReferringPhysicianTelephoneNumbers RegionOfResidence RequestAttributesSequence RequestedProcedureID
    RequestedProcedureLocation RequestingPhysician RequestingService ResponsibleOrganization ResponsiblePerson
    ResponsiblePersonRole ReviewerName ScheduledPerformingPhysicianName ScheduledProcedureStepID
    ScheduledProcedureStepLocation ScheduledStationAETitle ScheduledStationName ScheduledStationNameCodeSequence
    ServiceEpisodeID SourceApplicationEntityTitle StationName StorageMediaFileSetID StudyID
    VerifyingObserverIdentificationCodeSequence VerifyingObserverName VerifyingObserverSequence
    VerifyingOrganization
    """.split()  # noqa: SIM905
)
_TEXTS: Final = frozenset(
    """
    AdditionalPatientHistory AdmittingDiagnosesDescription Allergies ContrastBolusAgent CurveData
    DerivationDescription GraphicAnnotationSequence IconImageSequence ImageComments InterpretationText LabelText
    MedicalAlerts OverlayComments OverlayData PatientComments PatientTransportArrangements ProtocolName
    ReasonForStudy ReasonForVisit RequestedContrastAgent ServiceEpisodeDescription SpecialNeeds StudyComments
    TextString TextValue UnformattedTextValue
    """.split()  # noqa: SIM905
)
_DETAILS: Final = frozenset(
    """
    EthnicGroup EthnicGroupCodeSequence EthnicGroups PatientAge PatientBodyMassIndex PatientBreedDescription
    PatientSex PatientSexNeutered PatientSize PatientSpeciesDescription PatientWeight PregnancyStatus SmokingStatus
    """.split()  # noqa: SIM905
)
_TYPES: Final = {
    "PN": "people",
    "DA": "dates",
    "DT": "dates",
    "TM": "dates",
    "LT": "texts",
    "ST": "texts",
    "UT": "texts",
}
# These say of what kind a thing is.
_KINDS_OF: Final = ("ClassUID", "SyntaxUID", "SchemeUID", "ContextUID", "ResourceUID", "CreatorUID")
_UIDS: Final = "uids"
_YES, _NO = "YES", "NO"


class _Held(NamedTuple):
    """An element that is not empty: its name, the type of its value, whether it is a maker's own."""

    keyword: str
    type: str
    private: bool


def identity_facts(data: Any) -> dict[str, Any]:
    """Of a data set: whether annotation is burned in, identifying elements that hold something, private ones.

    `burned_in`, `recognizable` (a face, say) and `deidentified` are yes, no, or unknown where the header does not tell.
    `tags` are names by kind: people, numbers (of places, staff, devices and orders too), dates, uids, texts, details.
    """
    from pydicom import config

    # Its warnings quote values.
    with config.disable_value_validation(), silence():
        return _facts(data)


def _facts(data: Any) -> dict[str, Any]:
    named: dict[str, set[str]] = {}
    private = 0
    for element in chain(_elements(getattr(data, "file_meta", {})), _elements(data)):
        private += element.private
        kind = _kind(element)
        if kind is not None:
            named.setdefault(kind, set()).add(element.keyword)
    return {
        "burned_in": _answer(data, "BurnedInAnnotation"),
        "recognizable": _answer(data, "RecognizableVisualFeatures"),
        "deidentified": _answer(data, "PatientIdentityRemoved"),
        "tags": {kind: sorted(names) for kind, names in sorted(named.items())},
        "private": private,
    }


def _elements(data: Any) -> Iterator[_Held]:
    """Elements that hold something, those of sequences too; one that cannot be parsed may hold anything."""
    for tag in list(data.keys()):
        try:
            element = data[tag]
            if not element.is_empty:
                yield _Held(element.keyword, element.VR, element.tag.is_private)
            for item in element.value if element.VR == "SQ" else ():
                yield from _elements(item)
        except Exception:  # damage may raise anything at all
            yield _unparsed(tag)


def _unparsed(tag: Any) -> _Held:
    from pydicom.datadict import dictionary_VR, keyword_for_tag
    from pydicom.tag import Tag

    keyword = keyword_for_tag(tag)
    return _Held(keyword, dictionary_VR(tag) if keyword else "", Tag(tag).is_private)


def _kind(element: _Held) -> str | None:
    keyword, kind = element.keyword, element.type
    if not keyword:
        return None
    if kind == "UI":
        return None if keyword.endswith(_KINDS_OF) else _UIDS
    for name, known in (("details", _DETAILS), ("numbers", _NUMBERS), ("texts", _TEXTS)):
        if keyword in known and kind not in _TYPES:
            return name
    if kind in ("LO", "SH") and keyword.endswith(("Comments", "Description")):
        return "texts"
    return _TYPES.get(kind)


def reasons(facts: dict[str, Any]) -> list[str]:
    """What of `identity_facts` may identify a person; where it says that identity was removed, UIDs are new ones."""
    found = [said for key, said in (("burned_in", "burned-in annotation"), ("recognizable", "recognizable features"))
             if facts[key] == _YES.lower()]  # fmt: skip
    renewed = facts.get("deidentified") == _YES.lower()
    for kind, names in (facts["tags"] or {}).items():
        found += [] if renewed and kind == _UIDS else names
    if facts["private"]:
        found.append(f"{facts['private']} private elements")
    return found


def _answer(data: Any, keyword: str) -> str:
    try:
        text = str(data.get(keyword) or "").strip().upper()
    except Exception:  # damage may raise anything at all
        return "unknown"
    return text.lower() if text in (_YES, _NO) else "unknown"
