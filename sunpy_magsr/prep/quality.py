"""What the archive's headers may say of a magnetogram that is used as data."""

__all__ = ["ALLOWED_QUALITY", "LARGEST_MISSVALS"]

#: Bits that QUALITY may have: 0x200 is set in all of MDI's frames, 0x10400 in every second HMI frame of some series.
ALLOWED_QUALITY = 0x10600
#: Pixels that MISSVALS may count.
LARGEST_MISSVALS = 200_000
