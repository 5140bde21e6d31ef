"""What in a DICOM header identifies a person, by the names of its elements; values are never looked at.

The elements are those that the basic confidentiality profile (PS3.15, table E.1-1) removes or empties because they
name a patient, a relative, staff or a place, or number a visit.
"""

from __future__ import annotations

from typing import Any, Final

IDENTIFYING: Final = frozenset(
    """
    AccessionNumber AdditionalPatientHistory AdmissionID AdmittingDiagnosesDescription BranchOfService
    ConsultingPhysicianName CountryOfResidence CurrentPatientLocation DeviceSerialNumber EthnicGroup
    FillerOrderNumberImagingServiceRequest HumanPerformerName HumanPerformerOrganization ImageComments
    InstitutionAddress InstitutionCodeSequence InstitutionName InstitutionalDepartmentName InsurancePlanIdentification
    IssuerOfAdmissionID IssuerOfPatientID MedicalAlerts MedicalRecordLocator MilitaryRank NameOfPhysiciansReadingStudy
    NamesOfIntendedRecipientsOfResults Occupation OperatorIdentificationSequence OperatorsName OrderCallbackPhoneNumber
    OrderEnteredBy OrderEntererLocation OtherPatientIDs OtherPatientIDsSequence OtherPatientNames PatientAddress
    PatientBirthDate PatientBirthName PatientBirthTime PatientComments PatientID PatientInstitutionResidence
    PatientInsurancePlanCodeSequence PatientMotherBirthName PatientName PatientPrimaryLanguageCodeSequence
    PatientReligiousPreference PatientState PatientTelecomInformation PatientTelephoneNumbers
    PerformedProcedureStepID PerformingPhysicianIdentificationSequence PerformingPhysicianName PersonAddress PersonName
    PersonTelephoneNumbers PhysiciansOfRecord PhysiciansOfRecordIdentificationSequence
    PhysiciansReadingStudyIdentificationSequence PlacerOrderNumberImagingServiceRequest ReferringPhysicianAddress
    ReferringPhysicianIdentificationSequence ReferringPhysicianName ReferringPhysicianTelephoneNumbers
    RegionOfResidence RequestedProcedureID RequestingPhysician RequestingService ResponsibleOrganization
    ResponsiblePerson ReviewerName ScheduledPerformingPhysicianName ScheduledProcedureStepID ServiceEpisodeDescription
    ServiceEpisodeID StationName StudyComments StudyID VerifyingObserverName VerifyingOrganization
    """.split()  # noqa: SIM905
)
_YES, _NO = "YES", "NO"


def identity_facts(data: Any) -> dict[str, Any]:
    """Of a data set: whether annotation is burned in, identifying elements that hold something, private ones.

    `burned_in` and `recognizable` (a face, say) are yes, no, or unknown where the header does not tell.
    """
    named, private = set(), 0
    for element in data.iterall() if hasattr(data, "iterall") else ():
        private += element.tag.is_private
        if element.keyword in IDENTIFYING and not element.is_empty:
            named.add(element.keyword)
    return {
        "burned_in": _answer(data.get("BurnedInAnnotation")),
        "recognizable": _answer(data.get("RecognizableVisualFeatures")),
        "tags": sorted(named),
        "private": private,
    }


def identifies(facts: dict[str, Any]) -> bool:
    """Whether anything of `identity_facts` may identify a person."""
    return bool(facts["tags"]) or _YES.lower() in (facts["burned_in"], facts["recognizable"])


def _answer(value: object) -> str:
    text = str(value or "").strip().upper()
    return text.lower() if text in (_YES, _NO) else "unknown"
