"""Encoders, scorers and training for electrocardiograms."""
