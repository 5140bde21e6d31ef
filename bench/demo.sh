#!/bin/sh
# One real recording, a 12-lead DICOM ECG that pydicom carries: encoded, scored against conditions, drawn.
set -eu
out=${1:-out}
mkdir -p "$out"
cp "$(python -c "from pydicom.data import get_testdata_file; print(get_testdata_file('waveform_ecg.dcm'))")" "$out/ecg.dcm"
cp "$(python -c "from pydicom.data import get_testdata_file; print(get_testdata_file('CT_small.dcm'))")" "$out/ct.dcm"
for pair in functional.nii:bold.nii resampled_anat_moved.nii:brain.nii example4d.nii.gz:odd.nii.gz; do
    cp "$(python -c "import nibabel; print(nibabel.__path__[0])")/tests/data/${pair%:*}" "$out/${pair#*:}"
done

echo '$ ecg-encode ecg.dcm | ecg-zeroshot -q "normal ECG" -q "myocardial infarction" ...'
ecg-encode --id stem --no-source --keep-arrays "$out/ecg.dcm" |
    ecg-zeroshot --keep-arrays \
        -q "normal ECG" -q "myocardial infarction" -q "atrial fibrillation" \
        -q "left bundle branch block" -q "left ventricular hypertrophy" -q "heart beating too fast" \
        > "$out/demo.jsonl"
python - "$out/demo.jsonl" <<'PY'
import json, sys
record = json.loads(open(sys.argv[1]).readline())
print(f"{record['id']}: {record['score_kind']} by {record['scorer']['name']}")
for name, score in sorted(record["scores"].items(), key=lambda one: -one[1]):
    print(f"  {score:.3f}  {name}")
PY
med-view --quiet -o "$out/demo.png" "$out/demo.jsonl"
med-view --quiet -o "$out/demo.html" "$out/demo.jsonl"
echo "picture: $out/demo.png   page: $out/demo.html"
