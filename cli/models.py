"""The list of checkpoints: what is there, what is sound, what can be fetched."""

from __future__ import annotations

import sys
from pathlib import Path

from medpipe.cli.exits import BAD_STREAM, GOOD, NO_STREAM, SOME_FAILED, UNAVAILABLE, Fatal
from medpipe.core import checkpoints
from medpipe.core.errors import ModelError
