"""Models and methods: arrays in, arrays out. No argv, no stdout."""
