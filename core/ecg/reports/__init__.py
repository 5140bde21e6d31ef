"""From the text of an ECG report to cardiac entities: which, whether present, and by which words."""
