"""
sunpy_magsr
===========

Super-resolution of solar magnetograms with calibrated uncertainty.

* Documentation: https://sunpy-magsr.readthedocs.io
* Source: https://github.com/sunpy-magsr/sunpy-magsr
"""

import lazy_loader

from sunpy_magsr.version import read_citation, version

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "archive",
        "data",
        "instrument",
        "io",
        "maps",
        "metrics",
        "models",
        "pairs",
        "sampling",
        "spectral",
        "store",
        "training",
        "uncertainty",
        "validation",
    ],
    submod_attrs={
        "inference.superresolution": ["superresolve", "superresolve_ensemble", "superresolve_sequence"],
        "store.card": ["list_models"],
    },
)
__version__ = version
__citation__ = read_citation()
