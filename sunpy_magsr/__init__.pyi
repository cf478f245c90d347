from . import archive as archive
from . import data as data
from . import instrument as instrument
from . import io as io
from . import maps as maps
from . import metrics as metrics
from . import models as models
from . import pairs as pairs
from . import sampling as sampling
from . import spectral as spectral
from . import store as store
from . import training as training
from . import uncertainty as uncertainty
from . import validation as validation
from .inference.superresolution import superresolve as superresolve
from .inference.superresolution import superresolve_ensemble as superresolve_ensemble
from .inference.superresolution import superresolve_sequence as superresolve_sequence
from .store.card import list_models as list_models

__citation__: str
__version__: str
