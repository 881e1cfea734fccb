"""Sightdesk's engine: pictures in, answers out; the base of every door."""

import logging
import os

# It warns at every import that an optional kernel is not installed; users can do nothing with that.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

# How long GNU's OpenMP waits for the next product before it lets a thread sleep, in rounds of a
# loop; read when torch is loaded. Its own 300,000 take the time that other processes would need:
# beside two busy ones an answer took ten times as long. On a quiet machine this costs little.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
