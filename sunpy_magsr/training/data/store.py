"""The store of training data: all pixels in one memory-mapped file, and tables of fields and patches beside it."""

import json
from pathlib import Path

import numpy as np
from astropy.table import Table

#: High-resolution pixels along one of a low-resolution partner.
FACTOR = 4
_VERSION = 2
_STEPS_PER_GAUSS = 8  # up to 4096 G, half a step of 1/16 G is far below any magnetogram's noise
_LARGEST = 32767
_MISSING = -32768
_FILE = "store.json"


def store_folder(config):
    """Say where the store of a run is."""
    return Path(config.data.store) if config.data.store else Path(config.output) / "patches"


def is_store(folder):
    """Say whether a folder was made by ``magsr-train prepare``, of whatever version."""
    return (Path(folder) / _FILE).is_file()


class PatchStore:
    """
    Read magnetograms for training where they lie on disk.

    ``fields`` is the table of what there is, ``patches`` that of the windows that patches are drawn from, and ``settings``
    the section ``[data]`` that the store was made with.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        if not is_store(folder):
            msg = f"data.store must be a folder made by `magsr-train prepare`, got {folder}."
            raise ValueError(msg)
        facts = json.loads((self.folder / _FILE).read_text())
        if (facts.get("version"), facts.get("steps_per_gauss")) != (_VERSION, _STEPS_PER_GAUSS):
            got = f"version {facts.get('version')} in {folder}"
            msg = f"data.store must be a store of version {_VERSION}, got {got}; run `magsr-train prepare` again."
            raise ValueError(msg)
        self.settings = facts["data"]
        self.fields, self.patches = (Table.read(self.folder / f"{name}.ecsv") for name in ("fields", "patches"))
        self._pixels = np.asarray(np.load(self.folder / "pixels.npy", mmap_mode="r"))
        # Plain lists are much faster to read single numbers from than columns of tables.
        self._shapes = np.stack([self.fields["rows"], self.fields["columns"]], axis=1).tolist()
        self._offsets, self._low_offsets = (self.fields[name].tolist() for name in ("offset", "low_offset"))

    def read(self, field, y, x, height, width):
        """Read a window of a field in Gauss."""
        return self._read(self._offsets[field], self._shapes[field], (y, x, height, width))

    def read_low(self, field, y, x, height, width):
        """Read a window of the low-resolution partner of a field, in its own pixels and on its instrument's scale."""
        shape = [side // FACTOR for side in self._shapes[field]]
        return self._read(self._low_offsets[field], shape, (y, x, height, width))

    def _read(self, offset, shape, window):
        y, x, height, width = window
        whole = self._pixels[offset : offset + shape[0] * shape[1]].reshape(shape)
        pixels = whole[y : y + height, x : x + width]
        return np.where(pixels == _MISSING, np.nan, pixels / np.float32(_STEPS_PER_GAUSS)).astype(np.float32)


class StoreWriter:
    """Write a store into a new folder, one field at a time."""

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
        """Append a field, and give the place of its first pixel."""
        offset = self.size
        steps = np.clip(np.rint(np.nan_to_num(data) * _STEPS_PER_GAUSS), -_LARGEST, _LARGEST)
        self._stream.write(np.where(np.isfinite(data), steps, _MISSING).astype("<i2").tobytes())
        self.size += data.size
        return offset

    def finish(self, *, fields, patches, settings):
        """Write the tables and close the store."""
        self._stream.seek(0)
        self._write_header()
        self._stream.close()
        for name, table in (("fields", fields), ("patches", patches)):
            table.write(self.folder / f"{name}.ecsv", delimiter=",")
        facts = {"version": _VERSION, "steps_per_gauss": _STEPS_PER_GAUSS, "data": settings}
        (self.folder / _FILE).write_text(json.dumps(facts, indent=2) + "\n")
