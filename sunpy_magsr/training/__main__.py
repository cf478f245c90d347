"""``python -m sunpy_magsr.training FOLDER`` says when a copy of a model folder gives another answer than it should."""

import sys

from sunpy_magsr.training.check import main

main(sys.argv[1])
