"""Thousands of frames on Dask's workers, with a ledger that survives any kill."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"ledger": ["Ledger"], "plan": ["Plan", "load_plan"], "run": ["run_plan"], "report": ["write_report"]},
)
