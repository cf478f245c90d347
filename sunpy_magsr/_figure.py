"""Figures that pyplot does not know."""

import io

from matplotlib.figure import Figure

__all__ = ["FreeFigure"]


class FreeFigure(Figure):
    """A figure that pyplot does not know, but that notebooks show when it is the value of a cell."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png")
        return stream.getvalue()
