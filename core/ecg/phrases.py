"""What the text side of the default model is trained on: the ways to say each condition.

Written for this project. The spellings in tests/data/synonyms.tsv are kept out of every text here, as
they measure how well the model understands what it was not taught.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

# The label's own name first: `ecg-zeroshot -q NAME` and the evaluation ask with it.
PHRASES: Final[Mapping[str, tuple[str, ...]]] = {
    "NORM": (
        "normal ECG", "NORM", "normal electrocardiogram", "ECG within normal limits", "normal tracing",
        "no pathological findings", "healthy ECG", "nothing wrong with the ECG", "a completely normal recording",
        "healthy heart", "otherwise normal ECG", "no signs of heart disease", "unremarkable ECG", "normal findings",
        "the ECG of a healthy person", "no cardiac pathology", "physiological ECG", "ECG without abnormal findings",
        "clean ECG", "unremarkable recording", "no abnormalities", "a healthy heart's recording",
    ),
    "MI": (
        "myocardial infarction", "MI", "infarction", "old myocardial infarction", "acute myocardial infarction",
        "previous infarction", "infarct", "myocardial scar", "scar of the heart muscle", "myocardial necrosis",
        "death of heart muscle after a blocked artery", "STEMI", "AMI or old MI", "infarcted myocardium",
        "coronary thrombosis with infarction", "heart muscle damage from a blocked coronary artery",
        "evidence of prior infarction", "coronary event with loss of heart muscle", "blocked coronary artery",
        "necrosis of the heart muscle", "acute coronary syndrome with infarction", "cardiac attack",
        "coronary attack",
    ),
    "STTC": (
        "ST/T change", "STTC", "ST-T changes", "ST and T wave changes", "abnormal repolarisation",
        "abnormal repolarization", "repolarisation changes", "repolarization disturbance", "altered ST-T segment",
        "changes of the ST segment and the T wave", "ST-T deviation", "abnormal ST segment or T wave",
        "ventricular recovery is abnormal", "ST-T alterations", "repolarisation disorder", "pathological ST-T",
        "repolarization alterations", "anomalous repolarisation", "abnormality of the ST-T segment",
        "disorder of ventricular repolarization",
    ),
    "CD": (
        "conduction disturbance", "CD", "conduction abnormality", "conduction disorder", "cardiac conduction disease",
        "disturbed conduction", "impaired conduction of the electrical impulse", "heart block", "conduction block",
        "abnormal conduction", "blocked conduction pathway", "conduction delay", "delayed conduction",
        "conduction system disease", "slowed electrical impulse", "impulse conduction is impaired",
        "the electrical signal of the heart is blocked or delayed", "faulty conduction", "conduction problem",
        "block in the conduction system", "slow spread of the electrical signal through the heart",
    ),
    "HYP": (
        "hypertrophy", "HYP", "cardiac hypertrophy", "hypertrophy of the heart", "myocardial hypertrophy",
        "ventricular or atrial hypertrophy", "ventricular hypertrophy", "chamber enlargement", "enlarged heart",
        "cardiomegaly", "thick heart walls", "heart muscle thickening", "increased heart muscle mass",
        "chamber hypertrophy", "overload of a heart chamber", "big heart", "thickening of the heart walls",
        "dilated or thickened chambers", "increased cardiac mass", "enlargement of the heart",
    ),
    "IMI": (
        "inferior myocardial infarction", "IMI", "infarction of the inferior wall", "inferior infarction",
        "old inferior infarction", "inferior wall infarction", "inferior STEMI", "diaphragmatic infarction",
        "Q waves in II, III and aVF", "scar of the inferior wall", "right coronary artery infarction",
        "infarction of the lower wall of the heart", "infarct in the inferior leads", "posteroinferior infarction",
        "lower wall infarction", "infarcted bottom of the heart", "inferoposterior infarct",
    ),
    "AMI": (
        "anterior myocardial infarction", "infarction of the anterior wall", "anterior STEMI",
        "front wall infarction", "old infarction of the anterior wall", "LAD infarction",
        "Q waves in V1 to V4", "scar of the anterior wall", "anterior wall infarction",
        "infarct in the anterior leads", "infarction of the front of the heart", "loss of R waves in V1 to V4",
        "poor R wave progression from infarction", "left anterior descending artery occlusion",
        "anterior wall scar",
    ),
    "LMI": (
        "lateral myocardial infarction", "LMI", "infarction of the lateral wall", "lateral infarction",
        "lateral wall infarct", "Q waves in I, aVL, V5 and V6", "high lateral infarction", "side wall infarction",
        "circumflex artery infarction", "lateral STEMI",
    ),
    "LVH": (
        "left ventricular hypertrophy", "LVH", "hypertrophy of the left ventricle", "left heart hypertrophy",
        "thickening of the left ventricle", "left ventricular enlargement", "left ventricular overload",
        "enlarged left ventricle", "increased left ventricular mass", "left ventricle hypertrophied",
        "hypertensive heart with a thick left chamber", "left ventricular strain", "big left ventricle",
        "thickened left main pumping chamber", "left lower chamber hypertrophy", "left ventricular thickening",
    ),
    "RVH": (
        "right ventricular hypertrophy", "RVH", "hypertrophy of the right ventricle", "right heart hypertrophy",
        "right ventricular enlargement", "right ventricular overload", "enlarged right ventricle",
        "right heart strain", "thickened right ventricle", "cor pulmonale", "right lower chamber hypertrophy",
    ),
    "LAO/LAE": (
        "left atrial overload/enlargement", "LAO/LAE", "left atrial enlargement", "left atrial overload", "LAE",
        "enlarged left atrium", "left atrial abnormality", "left atrial hypertrophy", "dilated left atrium",
        "broad notched P wave", "wide bifid P waves", "big left atrium", "left upper chamber enlargement",
        "left atrial strain", "dilatation of the left atrium", "left atrial stretch",
    ),
    "RAO/RAE": (
        "right atrial overload/enlargement", "RAO/RAE", "right atrial enlargement", "right atrial overload",
        "enlarged right atrium", "P pulmonale", "tall peaked P waves", "right atrial abnormality",
        "dilated right atrium", "right upper chamber enlargement",
    ),
    "LAFB/LPFB": (
        "left anterior or left posterior fascicular block", "LAFB/LPFB", "fascicular block", "hemiblock",
        "left fascicular block", "left hemiblock", "fascicular conduction block", "block of a left fascicle",
    ),
    "LAFB": (
        "left anterior fascicular block", "LAFB", "left anterior fascicle blocked", "anterior fascicular block",
        "anterior hemiblock", "left superior fascicular block", "LAFB with left axis deviation",
        "conduction block in the left anterior fascicle", "left axis deviation from a fascicular block",
        "marked left axis deviation", "left front fascicle block", "left superior hemiblock",
        "left anterior divisional block",
    ),
    "LPFB": (
        "left posterior fascicular block", "LPFB", "left posterior hemiblock", "posterior fascicular block",
        "posterior hemiblock", "left posterior fascicle blocked", "right axis deviation from a fascicular block",
    ),
    "CRBBB": (
        "complete right bundle branch block", "CRBBB", "RBBB, complete", "complete block of the right bundle branch",
        "right bundle branch block with QRS of 120 ms or more", "complete right bundle block", "total RBBB",
        "full block of the right bundle branch", "total right bundle branch block", "rsR' in V1 with wide QRS",
        "complete right branch block", "right bundle branch totally blocked", "right bundle does not conduct",
    ),
    "CLBBB": (
        "complete left bundle branch block", "CLBBB", "LBBB, complete", "complete block of the left bundle branch",
        "left bundle branch block with QRS of 120 ms or more", "complete left bundle block", "total LBBB",
        "full block of the left bundle branch", "total left bundle branch block", "complete left branch block",
        "left bundle branch totally blocked", "left bundle does not conduct", "broad notched R wave in V6",
    ),
    "IRBBB": (
        "incomplete right bundle branch block", "RBBB, incomplete", "right bundle branch block, incomplete",
        "partial RBBB", "incomplete block of the right bundle branch", "incomplete right bundle block",
        "right bundle branch block with QRS under 120 ms", "minor right bundle branch block",
        "rSr' in V1 with narrow QRS",
        "right ventricular conduction delay", "incomplete right branch block", "partial block of the right bundle",
        "slight right bundle branch delay",
    ),
    "ILBBB": (
        "incomplete left bundle branch block", "ILBBB", "LBBB, incomplete", "left bundle branch block, incomplete",
        "partial LBBB", "incomplete block of the left bundle branch", "partial left bundle branch block",
        "incomplete left bundle block",
    ),
    "IVCD": (
        "non-specific intraventricular conduction disturbance", "IVCD", "intraventricular conduction disturbance",
        "intraventricular block", "non-specific intraventricular block", "diffuse intraventricular block",
        "nonspecific intraventricular conduction disorder", "widened QRS without bundle branch block pattern",
        "unspecific QRS widening", "slow conduction within the ventricles", "intraventricular conduction abnormality",
        "broad QRS of unclear cause", "ventricular conduction slowed", "non-specific QRS prolongation",
    ),
    "AVB": (
        "AV block", "atrioventricular block", "AVB", "heart block between atria and ventricles",
        "AV conduction block",
        "AV nodal block", "block of the AV node", "impaired atrioventricular conduction", "blocked AV conduction",
    ),
    "1AVB": (
        "first degree AV block", "1AVB", "first-degree AV block", "AV block, first degree", "AV block I",
        "1st degree AV block", "first degree atrioventricular block", "AV block grade 1", "type I heart block",
        "AV block of the first degree", "mild AV block", "first degree block of the AV node",
        "slow AV conduction", "every atrial beat is conducted late", "delay at the AV node",
        "slow passage of the impulse from the upper to the lower chambers",
    ),
    "WPW": (
        "Wolff-Parkinson-White syndrome", "WPW", "WPW syndrome", "ventricular pre-excitation", "preexcitation",
        "delta wave", "accessory pathway", "short PR interval with delta wave",
    ),
    "ISC": (
        "non-specific ischemic", "non-specific ischaemia", "ISC", "nonspecific ischemia", "ischemic ST-T changes",
        "suspected ischemia", "possible coronary ischaemia", "unspecific ischaemic ST-T",
    ),
    "ISCHAEMIA": (
        "ischemia", "ischaemia", "myocardial ischemia", "ischemic heart disease", "coronary heart disease",
        "poor blood supply of the heart", "lack of oxygen in the heart muscle", "coronary insufficiency",
        "ischemic changes", "cardiac ischemia", "angina", "narrowed coronary arteries",
        "insufficient coronary blood flow",
        "underperfused heart muscle", "hypoperfusion of the myocardium", "too little blood reaches the heart",
    ),
    "ISCA": (
        "ischemia in the anterior or lateral leads", "ISCA", "anterior ischemia", "anterolateral ischemia",
        "ischemic in anterior leads", "anterior wall ischaemia", "ischemia of the front wall",
    ),
    "ISCI": (
        "ischemia in the inferior leads", "ISCI", "inferior ischemia", "inferolateral ischemia",
        "inferior wall ischaemia",
        "ischemia of the lower wall",
    ),
    "NST": (
        "non-specific ST changes", "NST", "nonspecific ST changes", "unspecific ST changes", "minor ST changes",
        "ST changes of unknown meaning", "slight ST segment change", "non-diagnostic ST deviation",
    ),
    "ABQRS": (
        "abnormal QRS", "ABQRS", "abnormal QRS complex", "QRS abnormality", "pathological QRS morphology",
        "unusual QRS shape", "QRS(T) abnormal", "deformed QRS complexes",
    ),
    "PVC": (
        "ventricular premature complex", "PVC", "premature ventricular contraction",
        "premature ventricular complexes",
        "ventricular premature beat", "VPB", "VPC", "VES", "ventricular ectopy", "ventricular ectopics",
        "premature beats from the ventricles", "early wide beats", "extra beat arising in the ventricle",
        "premature beat with wide QRS", "ventricular extra beats", "ventricular early beats",
        "early beats from the bottom of the heart", "isolated PVCs", "frequent ventricular premature beats",
    ),
    "PAC": (
        "atrial premature complex", "PAC", "premature atrial contraction", "premature atrial complexes",
        "atrial premature beat", "APB", "APC", "SVES", "supraventricular premature beat", "atrial ectopy",
        "premature beats from the atria", "early beat from the upper chambers", "supraventricular ectopy",
        "extra beat arising in the atrium", "premature narrow beat", "atrial extra beats", "atrial ectopics",
        "supraventricular premature complex", "isolated PACs",
    ),
    "STD": (
        "non-specific ST depression", "STD", "ST depression", "nonspecific ST depression", "lowered ST segment",
        "depression of the ST segment", "downsloping ST segment", "horizontal ST depression", "ST-segment lowering",
        "J point depression", "ST below the baseline", "unspecific ST depression", "sagging ST segment",
        "STD of unknown cause",
    ),
    "VCLVH": (
        "voltage criteria (QRS) for left ventricular hypertrophy", "VCLVH", "voltage criteria for LVH",
        "Sokolow-Lyon criterion positive", "high voltage suggesting left ventricular hypertrophy",
        "LVH by voltage", "Cornell voltage criterion",
    ),
    "QWAVE": (
        "Q waves present", "QWAVE", "Q waves", "abnormal Q waves", "pathological Q waves", "deep Q waves",
        "wide Q waves", "pathologic Q wave", "Q wave abnormality", "presence of Q waves", "relevant Q waves",
        "large Q waves", "prominent Q", "marked Q waves", "big negative initial deflection of the QRS",
    ),
    "LOWT": (
        "low amplitude T-waves", "LOWT", "low T waves", "T waves of low amplitude", "small T waves", "flattened T",
        "low voltage T waves", "reduced T wave amplitude", "T wave lowering", "shallow T waves", "diminished T waves",
        "T wave nearly isoelectric", "weak T waves", "blunted T wave",
    ),
    "NT": (
        "non-specific T-wave changes", "NT", "nonspecific T wave changes", "unspecific T wave change",
        "minor T wave changes", "T wave changes of unclear meaning",
    ),
    "T-WAVE": (
        "T wave abnormality", "abnormal T waves", "T-wave changes", "pathological T waves", "T wave change",
        "unusual T waves",
    ),
    "LPR": (
        "prolonged PR interval", "LPR", "long PR interval", "PR prolongation", "PR interval above 200 ms",
        "long PQ interval", "prolonged PQ time", "PR lengthening", "extended PR interval",
    ),
    "INVT": (
        "inverted T-waves", "INVT", "inverted T", "inverted T waves", "T waves are inverted", "T-wave inversions",
        "symmetrical T inversion", "T inversion", "upside-down T waves", "T waves pointing down",
        "inversion of the T wave", "deep inverted T", "terminally inverted T waves", "T below the baseline",
    ),
    "LVOLT": (
        "low QRS voltages", "LVOLT", "low voltage", "low QRS voltage", "low voltage QRS", "peripheral low voltage",
        "low QRS amplitude", "low voltage in the limb leads", "reduced QRS voltage", "small QRS complexes",
        "QRS of low amplitude", "low voltages in the frontal and horizontal leads", "diminished QRS amplitudes",
        "small complexes", "tiny QRS deflections",
    ),
    "HVOLT": ("high QRS voltage", "HVOLT", "high voltage QRS", "large QRS amplitude", "tall QRS complexes",
              "high voltages"),
    "NDT": (
        "non-diagnostic T abnormalities", "NDT", "nondiagnostic T wave abnormality", "unspecific T wave abnormality",
        "T abnormality without diagnostic meaning", "nonspecific T wave abnormality",
    ),
    "DIG": (
        "digitalis-effect", "DIG", "digitalis effect", "effect of digitalis", "digitalis influence",
        "digitalis ST-T changes",
        "digoxin", "digoxin therapy", "treated with digitalis", "digoxin-induced ST change",
        "effect of cardiac glycosides",
        "digitalis medication", "foxglove drug effect", "ST sagging due to digitalis", "glycoside effect",
        "digitoxin",
        "scooped ST segments of digitalis",
    ),
    "LNGQT": (
        "long QT-interval", "LNGQT", "long QT", "long QT interval", "prolonged QT interval", "prolonged QT",
        "long QT syndrome", "QT interval lengthened", "QTc above 480 ms", "extended QT time",
        "lengthening of the QT interval",
        "long QTc", "QTc lengthened",
    ),
    "SR": (
        "sinus rhythm", "SR", "normal sinus rhythm", "regular sinus rhythm", "sinus node rhythm",
        "rhythm of sinus origin",
        "each QRS is preceded by a P wave", "P wave before every QRS", "ordinary heart rhythm", "the rhythm is sinus",
        "normal rhythm of the heart", "in sinus", "normal heart rhythm", "rhythm is normal",
        "normal beating of the heart",
    ),
    "AFIB": (
        "atrial fibrillation", "AF", "A-fib", "Vorhofflimmern", "fibrillating atria",
        "AF with irregular ventricular response",
        "fibrillation of the atria", "absent P waves with irregular RR intervals", "atrial fib",
        "chaotic atrial activity",
        "quivering atria", "no P waves and irregular rhythm", "persistent atrial fibrillation", "paroxysmal AF",
        "irregularly irregular pulse", "completely irregular rhythm", "absolute arrhythmia",
        "fibrillating upper chambers",
    ),
    "AFIB-AFLT": (
        "atrial fibrillation or flutter", "atrial fibrillation/flutter", "atrial tachyarrhythmia",
        "atrial arrhythmia",
    ),
    "STACH": (
        "sinus tachycardia", "STACH", "tachycardia of sinus origin", "fast sinus rhythm", "rapid sinus rhythm",
        "sinus rhythm above 100 beats per minute", "sinus rhythm with a high rate", "heart beats too fast",
        "fast heart rate", "rapid heartbeat", "high heart rate", "rapid pulse", "accelerated sinus rhythm",
        "elevated heart rate", "quick pulse", "heart is going too fast", "rate over 100", "speeding heart",
    ),
    "SARRH": (
        "sinus arrhythmia", "SARRH", "respiratory sinus arrhythmia", "sinus rhythm with varying RR intervals",
        "respiratory arrhythmia", "sinus irregularity", "phasic sinus arrhythmia", "sinus rhythm, irregular",
        "heart speeds up with each breath in", "RR intervals change with respiration", "variable sinus rate",
        "pulse changes with breathing", "breathing-related variation of the rhythm",
    ),
    "SBRAD": (
        "sinus bradycardia", "SBRAD", "bradycardia", "bradycardia of sinus origin", "slow sinus rhythm",
        "sinus rhythm below 60 beats per minute", "heart beats too slowly", "slow pulse",
        "reduced heart rate", "low pulse rate", "heart is going too slowly", "rate under 60", "slow beating heart",
        "decreased sinus rate",
    ),
    "SVARR": (
        "supraventricular arrhythmia", "SVARR", "supraventricular rhythm disturbance", "ectopic atrial rhythm",
        "wandering atrial pacemaker", "irregular rhythm of supraventricular origin", "junctional rhythm",
    ),
    "BIGU": (
        "bigeminal pattern (unknown origin, SV or Ventricular)", "BIGU", "bigeminy", "bigeminal rhythm",
        "every second beat is premature", "trigeminy", "trigeminal pattern (unknown origin, SV or Ventricular)",
    ),
    "ECTOPY": (
        "premature complex(es)", "extrasystole", "extrasystoles", "ectopic beats", "ectopy", "extra beats",
        "premature beats",
        "early beats", "skipped beats", "PRC(S)", "missed heartbeats",
    ),
    "IRREGULAR": (
        "irregular rhythm", "arrhythmia", "irregular heartbeat", "cardiac arrhythmia", "rhythm disorder",
        "heart rhythm problem",
        "irregular pulse", "dysrhythmia", "uneven heartbeat",
    ),
    "FAST": (
        "tachycardia", "supraventricular tachycardia", "SVT", "paroxysmal supraventricular tachycardia",
        "PSVT", "SVTAC",
        "narrow complex tachycardia", "tachyarrhythmia", "AVNRT",
    ),
    "ASMI": (
        "anteroseptal myocardial infarction", "ASMI", "anteroseptal infarction", "septal infarction",
        "infarction of the septum", "infarct in V1 to V3", "septal myocardial infarction", "anteroseptal MI",
    ),
    "ALMI": (
        "anterolateral myocardial infarction", "ALMI", "anterolateral infarction", "anterolateral MI",
        "infarction of the front and side walls", "extensive anterior myocardial infarction",
    ),
    "ILMI": (
        "inferolateral myocardial infarction", "ILMI", "inferolateral infarction", "inferolateral MI",
        "infarction of the inferior and lateral walls", "inferoposterolateral myocardial infarction",
    ),
    "ISCAL": ("ischemic in anterolateral leads", "ISCAL", "ischemia in V3 to V6", "anterolateral ischaemia",
              "ischemic in lateral leads", "lateral ischemia", "lateral wall ischaemia"),
    "ISCIL": ("ischemic in inferolateral leads", "ISCIL", "inferolateral ischaemia"),
    "ISCIN": ("ischemic in inferior leads", "ISCIN", "inferior ischaemia"),
    "ISCAS": ("ischemic in anteroseptal leads", "ISCAS", "anteroseptal ischaemia", "septal ischemia"),
    "INJAS": ("subendocardial injury in anteroseptal leads", "INJAS", "subendocardial injury", "acute injury current",
              "ST elevation", "non-specific ST elevation", "STE", "raised ST segment", "elevated ST segment"),
    "BBB": ("bundle branch block", "BBB", "block of a bundle branch", "bundle block",
            "bundle-branch conduction block"),
    "RBBB": ("right bundle branch block", "RBBB", "right bundle-branch block", "right bundle block",
             "block of the right bundle branch", "right branch block"),
    "LBBB": ("left bundle branch block", "LBBB", "left bundle-branch block", "left bundle block",
             "block of the left bundle branch", "left branch block"),
    "WIDE-QRS": ("wide QRS", "broad QRS complex", "QRS duration above 120 ms", "prolonged QRS duration",
                 "QRS widening"),
    "ATRIAL": ("atrial enlargement", "atrial overload", "enlarged atria", "abnormal P wave", "atrial hypertrophy",
               "dilated atria"),
    "ABNORMAL": (
        "abnormal ECG", "pathological ECG", "abnormal electrocardiogram", "something is wrong with the ECG",
        "heart disease",
        "cardiac abnormality", "abnormal findings", "sick heart", "unhealthy heart", "diseased heart",
    ),
}  # fmt: skip

# Conditions without recordings to learn from, and the concepts that are nearest to them in the ECG.
BORROWED: Final[Mapping[tuple[str, ...], Mapping[str, float]]] = {
    ("atrial flutter", "AFLT", "flutter", "atrial flutter with 2:1 conduction", "typical flutter", "fluttering atria",
     "flutter of the atria", "flutter waves", "sawtooth pattern of the baseline", "atrial flutter waves",
     "macro-reentrant atrial tachycardia"): {"AFIB-AFLT": 1.0},
    ("normal functioning artificial pacemaker", "PACE", "pacemaker", "artificial pacemaker", "pacemaker rhythm",
     "electronic pacemaker", "ventricular pacing", "cardiac pacemaker", "stimulated by a pacemaker",
     "pacemaker spikes",
     "pacemaker implanted", "AV sequential pacemaker", "heart driven by a pacemaker", "pacing", "pacemaker device",
     "implanted pacemaker"): {"CLBBB": 0.5, "IVCD": 0.5},
    ("third degree AV block", "3AVB", "complete heart block", "second degree AV block", "2AVB", "Mobitz block",
     "Wenckebach"): {"AVB": 1.0},
    ("posterior myocardial infarction", "PMI", "inferoposterior myocardial infarction",
     "posterior wall infarction"): {"IMI": 1.0},
    ("septal hypertrophy", "SEHYP", "hypertrophic cardiomyopathy"): {"LVH": 1.0},
    ("ST-T changes compatible with ventricular aneurysm", "ANEUR", "ventricular aneurysm"): {"AMI": 0.5, "MI": 0.5},
    ("electrolytic disturbance or drug", "EL", "hyperkalaemia", "hypokalaemia", "drug effect"): {"STTC": 1.0},
}  # fmt: skip

# What has nothing to do with an ECG: such a query should score low, whatever the recording.
UNRELATED: Final = (
    "banana", "the weather in Paris", "a red car", "stock market prices", "football match",
    "cooking pasta for dinner",
    "quantum field theory", "a dog in the park", "train timetable", "guitar lessons", "broken leg", "tax return",
    "knee replacement", "brown bread", "mountain hiking", "the history of Rome", "software update", "skin rash",
    "garden furniture", "holiday in Spain", "toothache", "solar panels", "chess opening", "wedding dress",
    "coffee beans",
    "river bank", "novel by a young author", "dental caries", "bank account", "a yellow bicycle", "eye colour",
    "mathematics homework", "cheese", "painting a house", "airport security", "blue whale", "basketball", "hair cut",
    "printer paper", "climate policy", "bone fracture of the wrist", "sunflower seeds", "jazz concert",
    "birthday party",
    "mobile phone contract", "insurance claim", "carpenter's tools", "lung cancer", "kidney stones", "a bowl of rice",
)  # fmt: skip

TEMPLATES: Final = (
    "{}", "ECG showing {}", "{} on the ECG", "signs of {}", "evidence of {}", "the ECG shows {}", "patient with {}",
    "{}.", "ECG: {}", "diagnosis: {}", "findings consistent with {}", "electrocardiogram with {}", "there is {}",
)  # fmt: skip


def name(concept: str) -> str:
    """The concept's own name, as one would ask for it."""
    return PHRASES[concept][0]


def taught() -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every phrase, without a template, and the concepts that it stands for with their shares; none: unrelated."""
    for concept, phrases in PHRASES.items():
        yield from ((phrase, {concept: 1.0}) for phrase in phrases)
    for phrases, shares in BORROWED.items():
        yield from ((phrase, shares) for phrase in phrases)
    yield from ((phrase, {}) for phrase in UNRELATED)


def training_texts() -> Iterator[str]:
    """Every text that training may see."""
    for phrase, _ in taught():
        yield from (template.format(phrase) for template in TEMPLATES)
