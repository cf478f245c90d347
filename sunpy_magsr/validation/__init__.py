"""Judging models and the results of others on fields whose truth is known."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "regions": ["Region", "degraded_map", "read_pairs", "read_regions"],
        "predictions": ["Results"],
        "evaluate": ["evaluate"],
        "disks": ["judge_disks"],
        "judged": ["judge_pairs"],
        "published": ["read_published_pairs"],
    },
)
