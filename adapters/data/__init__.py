"""Data sets for fine-tuning: one reader a format, one internal form, every row checked."""
