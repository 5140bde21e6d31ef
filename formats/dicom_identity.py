"""What in a DICOM header identifies a person, by the names of its elements; values are never looked at.

The elements are those that the basic confidentiality profile (PS3.15, table E.1-1) removes, empties or replaces: by
their type where it says enough (names of people, dates and times, unique identifiers, free text), the others by name.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, Final

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


def identity_facts(data: Any) -> dict[str, Any]:
    """Of a data set: whether annotation is burned in, identifying elements that hold something, private ones.

    `burned_in`, `recognizable` (a face, say) and `deidentified` are yes, no, or unknown where the header does not tell.
    `tags` are names by kind: people, numbers (of places, staff, devices and orders too), dates, uids, texts, details.
    """
    named: dict[str, set[str]] = {}
    private = 0
    for element in chain(getattr(data, "file_meta", ()), data.iterall() if hasattr(data, "iterall") else ()):
        private += element.tag.is_private and not element.is_empty
        kind = _kind(element)
        if kind is not None and not element.is_empty:
            named.setdefault(kind, set()).add(element.keyword)
    return {
        "burned_in": _answer(data.get("BurnedInAnnotation")),
        "recognizable": _answer(data.get("RecognizableVisualFeatures")),
        "deidentified": _answer(data.get("PatientIdentityRemoved")),
        "tags": {kind: sorted(names) for kind, names in sorted(named.items())},
        "private": private,
    }


def _kind(element: Any) -> str | None:
    keyword, kind = element.keyword, element.VR
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


def _answer(value: object) -> str:
    text = str(value or "").strip().upper()
    return text.lower() if text in (_YES, _NO) else "unknown"
