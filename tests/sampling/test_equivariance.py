"""The Sun does not care how a cutout is turned or which polarity is called positive: neither do the samples."""

import astropy.units as u
import numpy as np
import pytest

from sunpy_magsr.instrument import degrade
from sunpy_magsr.maps import Magnetogram
from sunpy_magsr.metrics import crps
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.validation.regions import degraded_region

SIDE = 24  # input pixels
MACHINE = {"steps": None, "device": "cpu", "batch_size": None, "progress": False, "n_samples": 6}


def turned(field, quarter, sign):
    return sign * np.rot90(field, quarter)


def draw(backend, truth, seed):
    low = degrade(np.ascontiguousarray(truth, dtype=np.float32))
    scale = (2 * u.arcsec / u.pix,) * 2
    valid = np.ones(low.shape, dtype=bool)
    magnetogram = Magnetogram(data=low, valid=valid, origin=(0, 0), plate_scale=scale, is_cea=False, instrument="HMI")
    return np.stack(list(backend.samples(magnetogram, seed=seed, **MACHINE)))


def statistics(samples, truth):
    """What must not depend on orientation: fluxes, strong area, power of detail by direction, spread, error."""
    detail = samples - samples.mean(axis=(1, 2), keepdims=True)
    steps = [np.abs(np.diff(samples, axis=axis)).mean() for axis in (1, 2)]
    return {
        "signed flux over unsigned": samples.sum() / np.abs(samples).sum(),
        "unsigned flux": np.abs(samples).mean(),
        "area above 100 G": 100 * (np.abs(samples) > 100).mean(),
        "rms": detail.std(),
        "skewness": (detail**3).mean() / detail.std() ** 3,
        "steps along y": steps[0],
        "steps along x": steps[1],
        "spread": samples.std(axis=0, ddof=1).mean(),
        "crps": crps(list(samples), truth).value,
    }


@pytest.fixture(scope="module", params=[12, pytest.param(100, marks=pytest.mark.slow)])
def pairs(request, sharps, hmi_active):
    """Statistics of samples of cutouts of HMI as they are, and of turned and flipped ones turned back."""
    backend = load_backend("ldm-res")
    rng = np.random.default_rng(42)
    sources = [degraded_region(smap, name="truth").truth for smap in (*sharps, hmi_active)]
    rows = []
    while len(rows) < request.param:
        field = sources[rng.integers(len(sources))]
        y, x = (rng.integers(side // 4 - SIDE + 1) * 4 for side in field.shape)
        truth = field[y : y + 4 * SIDE, x : x + 4 * SIDE]
        if not np.isfinite(truth).all():
            continue
        quarter, sign = rng.integers(4), rng.choice([-1, 1])
        quarter += quarter == 0 and sign == 1  # something is changed
        straight = draw(backend, truth, seed=2 * len(rows))
        other = draw(backend, turned(truth, quarter, sign), seed=2 * len(rows) + 1)
        back = np.stack([turned(sample, -quarter, sign) for sample in other])
        rows.append((statistics(straight, truth), statistics(back, truth)))
    return {name: np.array([[one[name] for one in row] for row in rows]) for name in rows[0][0]}


@pytest.mark.parametrize(
    "name", ["unsigned flux", "area above 100 G", "rms", "steps along y", "steps along x", "spread", "crps"]
)
def test_turned_and_flipped_cutouts_have_the_same_statistics(pairs, name):
    """Within the scatter of the samples themselves or 1.5 % of the number; of 100 cutouts, within 2 % of it."""
    before, after = pairs[name].T
    change = after - before
    error = change.std(ddof=1) / np.sqrt(len(change))
    assert abs(change.mean()) < max(3.5 * error, 0.015 * before.mean())
    assert len(change) < 100 or abs(change.mean()) < 0.02 * before.mean()


def test_polarity_has_no_preference(pairs):
    """Signed flux is the input's, whatever was turned or flipped; no sign is more skewed than the other."""
    before, after = pairs["signed flux over unsigned"].T
    assert after == pytest.approx(before, abs=0.02)
    before, after = pairs["skewness"].T
    change = after - before
    assert abs(change.mean()) < 3.5 * change.std(ddof=1) / np.sqrt(len(change))
