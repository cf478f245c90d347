from . import data as data
from . import io as io
from . import metrics as metrics
from . import models as models
from . import spectral as spectral
from . import training as training
from . import uncertainty as uncertainty
from .inference.superresolution import (
    superresolve as superresolve,
)
from .inference.superresolution import (
    superresolve_ensemble as superresolve_ensemble,
)
from .inference.superresolution import (
    superresolve_sequence as superresolve_sequence,
)
from .store.card import list_models as list_models

__version__: str
