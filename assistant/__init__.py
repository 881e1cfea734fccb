"""Sightdesk's engine: pictures in, answers out; the base of every door."""
