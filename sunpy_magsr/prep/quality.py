"""Limits of the quality cards of magnetograms that are used for training and for pairs."""

__all__ = ["ALLOWED_QUALITY", "LARGEST_MISSVALS"]

#: Bits that may be set in the QUALITY card. 0x200 is set in all MDI frames, 0x10400 in every second HMI frame of some series.
ALLOWED_QUALITY = 0x10600
#: Largest number of missing pixels that the MISSVALS card may state.
LARGEST_MISSVALS = 200_000
