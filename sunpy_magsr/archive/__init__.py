"""Whole archives of magnetograms: a plan, a ledger of every frame, and workers on one machine or a cluster."""
