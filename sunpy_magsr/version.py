"""Version of the package, from its version control tag."""

try:
    from sunpy_magsr._version import version
except ImportError:  # a checkout that was never installed
    version = "0.0.dev0"
