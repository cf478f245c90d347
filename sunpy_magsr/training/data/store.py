"""The store of training data: all pixels in one memory-mapped file, and tables of fields and patches beside it."""

import json
from pathlib import Path

import numpy as np
from astropy.table import Table

VERSION = 2
STEPS_PER_GAUSS = 8  # up to 4096 G, half a step of 1/16 G is far below any magnetogram's noise
_FACTOR = 4
_LARGEST = 32767
_MISSING = -32768


def store_folder(config):
    """Where the store of a run is."""
    return Path(config.data.store) if config.data.store else Path(config.output) / "patches"


def is_store(folder):
    """Whether a folder was made by ``magsr-train prepare``, of whatever version."""
    return (Path(folder) / "store.json").is_file()


class PatchStore:
    """
    Magnetograms for training, read where they lie on disk.

    Parameters
    ----------
    folder : `pathlib.Path`
        The store.
    fields, patches : `~astropy.table.Table`
        What there is, and the windows of it that patches are drawn from.
    pixels : `numpy.ndarray`
        int16 ``[n]``: 1/8 Gauss, all fields one after another, -32768 where there is no measurement.
    settings : `dict`
        The ``[data]`` section that the store was made with.
    """

    def __init__(self, folder, *, fields, patches, pixels, settings):
        self.folder, self.fields, self.patches, self.settings = folder, fields, patches, settings
        self._pixels = pixels
        self._shapes = np.stack([fields["rows"], fields["columns"]], axis=1).tolist()
        self._offsets = {name: fields[name].tolist() for name in ("offset", "low_offset")}

    @classmethod
    def open(cls, folder):
        """Open a store."""
        folder = Path(folder)
        if not is_store(folder):
            msg = f"data.store must be a folder made by `magsr-train prepare`, got {folder}."
            raise ValueError(msg)
        facts = json.loads((folder / "store.json").read_text())
        if (facts.get("version"), facts.get("steps_per_gauss")) != (VERSION, STEPS_PER_GAUSS):
            msg = (
                f"data.store must be a store of version {VERSION}, got version {facts.get('version')} in {folder}; "
                "run `magsr-train prepare` again."
            )
            raise ValueError(msg)
        tables = {name: Table.read(folder / f"{name}.ecsv") for name in ("fields", "patches")}
        pixels = np.asarray(np.load(folder / "pixels.npy", mmap_mode="r"))
        return cls(folder, pixels=pixels, settings=facts["data"], **tables)

    def read(self, field, y, x, height, width):
        """Read a window of a field."""
        rows, columns = self._shapes[field]
        return self._window("offset", field, (rows, columns), (y, x, height, width))

    def read_low(self, field, y, x, height, width):
        """
        Read a window of the low-resolution partner of a field; see `read`.

        Corner and size are in low-resolution pixels, the values on the scale of the low-resolution instrument.
        """
        rows, columns = self._shapes[field]
        return self._window("low_offset", field, (rows // _FACTOR, columns // _FACTOR), (y, x, height, width))

    def _window(self, which, field, shape, window):
        offset = self._offsets[which][field]
        rows, columns = shape
        y, x, height, width = window
        whole = self._pixels[offset : offset + rows * columns].reshape(rows, columns)
        return _unpacked(whole[y : y + height, x : x + width])


def _packed(data):
    steps = np.clip(np.rint(np.nan_to_num(data) * STEPS_PER_GAUSS), -_LARGEST, _LARGEST)
    return np.where(np.isfinite(data), steps, _MISSING).astype("<i2")


def _unpacked(pixels):
    return np.where(pixels == _MISSING, np.nan, pixels / np.float32(STEPS_PER_GAUSS)).astype(np.float32)


class StoreWriter:
    """
    Writes a store one field at a time.

    Parameters
    ----------
    folder : `pathlib.Path`
        A new or empty folder.
    """

    def __init__(self, folder):
        self.folder, self.size = folder, 0
        folder.mkdir(parents=True, exist_ok=True)
        self._stream = (folder / "pixels.npy").open("wb")
        self._write_header()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stream.close()

    def _write_header(self):
        # numpy pads this header for a growing first axis, so the last one written fits where the first one was
        facts = {"descr": "<i2", "fortran_order": False, "shape": (self.size,)}
        np.lib.format.write_array_header_1_0(self._stream, facts)

    def add(self, data):
        """Append a field."""
        offset = self.size
        self._stream.write(_packed(data).tobytes())
        self.size += data.size
        return offset

    def finish(self, *, fields, patches, settings):
        """Write the tables and close the store."""
        self._stream.seek(0)
        self._write_header()
        self._stream.close()
        for name, table in (("fields", fields), ("patches", patches)):
            table.write(self.folder / f"{name}.ecsv", delimiter=",")
        facts = {"version": VERSION, "steps_per_gauss": STEPS_PER_GAUSS, "data": settings}
        (self.folder / "store.json").write_text(json.dumps(facts, indent=2) + "\n")
