"""Configuration of the documentation."""

import os
import tempfile
from pathlib import Path

from packaging.version import Version
from sunpy_sphinx_theme import PNG_ICON

from sunpy_magsr import __version__

os.environ.setdefault("MPLBACKEND", "agg")

project = "sunpy_magsr"
author = "The sunpy_magsr developers"
copyright = "2026, The sunpy_magsr developers"
release = Version(__version__).base_version
version = release

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "sphinx.ext.autodoc",
    "sphinx.ext.extlinks",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_changelog",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
default_role = "py:obj"
exclude_patterns = ["_build", "Thumbs.db", ".DS_Store", "changelog/*.rst"]
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
maximum_signature_line_length = 80
autoclass_content = "both"
autodoc_typehints = "none"
plot_formats = [("png", 110)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_working_directory = tempfile.mkdtemp()  # for the files that the tutorial writes
extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}
html_theme = "sunpy"
html_static_path = []

# With `-t offline` cross-references to other projects stay unresolved instead of failing the build.
if not tags.has("offline"):  # noqa: F821  Sphinx defines it
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3/", None),
        "numpy": ("https://numpy.org/doc/stable/", None),
        "astropy": ("https://docs.astropy.org/en/stable/", None),
        "sunpy": ("https://docs.sunpy.org/en/stable/", None),
    }

sphinx_gallery_conf = {
    "examples_dirs": str(Path(__file__).parent.parent / "examples"),
    "gallery_dirs": str(Path("generated") / "gallery"),
    "backreferences_dir": str(Path("generated") / "modules"),
    "filename_pattern": "^((?!skip_).)*$",
    "ignore_pattern": "synthetic_sun",
    "default_thumb_file": PNG_ICON,
    "abort_on_example_error": False,
    "only_warn_on_example_error": True,
    "matplotlib_animations": True,
    "remove_config_comments": True,
    "plot_gallery": "True",
    "doc_module": ("sunpy_magsr",),
}
