"""Sightdesk's engine: pictures in, answers out; the base of every door."""

import logging

# It warns at every import that an optional kernel is not installed; users can do nothing with that.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
