"""Metrics of predictions against truth, with intervals."""
