"""Training of models, for maintainers: one TOML file, resumed after a kill."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["TrainingConfig", "load_config"],
        "calibrate": ["calibrate_model"],
        "publish": ["export_model"],
    },
)
