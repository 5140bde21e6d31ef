"""Budgets for the key-value cache of multimodal decoders: attention measured, entries shared out, dropped, merged."""
