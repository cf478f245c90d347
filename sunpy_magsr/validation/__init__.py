"""Validation: every model on the same magnetograms, in one table."""
