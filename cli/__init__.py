"""One short file per command, and the runner that they share."""
