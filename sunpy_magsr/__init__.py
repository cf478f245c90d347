"""
sunpy_magsr
===========

Super-resolution of solar magnetograms with calibrated uncertainty.

* Documentation: https://sunpy-magsr.readthedocs.io
* Source: https://github.com/sunpy-magsr/sunpy-magsr
"""

import lazy_loader

from sunpy_magsr.version import version

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["data", "io", "metrics", "models", "spectral", "training", "uncertainty"],
    submod_attrs={
        "inference.superresolution": ["superresolve", "superresolve_ensemble", "superresolve_sequence"],
        "store.card": ["list_models"],
    },
)
__version__ = version
