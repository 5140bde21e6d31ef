"""The files of the default ECG checkpoint."""
