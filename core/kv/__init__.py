"""Budgets for the key-value cache of multimodal decoders: attention measured, layers budgeted, entries dropped, merged."""
