"""The ``magsr`` command."""
