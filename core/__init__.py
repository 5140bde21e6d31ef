"""Models and methods: arrays in, arrays out. No argv, no stdout."""

__version__ = "0.1.0"
