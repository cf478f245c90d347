"""Pairs of MDI and HMI of the same minute: fetched, aligned, judged."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "align": ["AlignedPair", "align_pair"],
        "quality": ["PairQuality", "RefusedPairError"],
        "batch": ["align_folder"],
        "fetch": ["fetch_pairs"],
    },
)
