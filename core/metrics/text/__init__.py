"""Metrics of decoded text against the text that was there, window by window of a story, and their nulls."""
