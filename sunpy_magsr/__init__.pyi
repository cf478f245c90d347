from . import data as data
from . import io as io
from . import metrics as metrics
from . import models as models
from . import spectral as spectral
from . import training as training
from . import uncertainty as uncertainty
from .catalog import list_models as list_models
from .superresolution import (
    superresolve as superresolve,
)
from .superresolution import (
    superresolve_ensemble as superresolve_ensemble,
)
from .superresolution import (
    superresolve_sequence as superresolve_sequence,
)

__version__: str
