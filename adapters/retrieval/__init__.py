"""The space of words and pictures: trained, calibrated, judged and written to disk.

`assistant.space` loads what is made here.
"""
