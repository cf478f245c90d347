"""Judging models and the results of others on fields whose truth is known."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "regions": ["Region", "degraded_map", "read_pairs", "read_regions"],
        "published": ["read_published_pairs"],
        "disks": ["evaluate_disks", "read_disks"],
        "predictions": ["Results"],
        "evaluation": ["evaluate", "evaluate_pairs"],
    },
)
