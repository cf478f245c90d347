"""The store and the patches drawn from it."""

import dataclasses
import json

import numpy as np
import pytest
from astropy.table import Table
from scipy.ndimage import gaussian_filter

from sunpy_magsr.instrument import degrade
from sunpy_magsr.training.config import AutoencoderConfig, DataConfig, TrainingConfig
from sunpy_magsr.training.data.fields import window_weights, windows_of
from sunpy_magsr.training.data.prepare import prepare_store
from sunpy_magsr.training.data.samplers import PatchSampler, samplers_of
from sunpy_magsr.training.data.store import PatchStore, StoreWriter

from .magnetograms import MDI, write_patch


@pytest.fixture
def make(tmp_path):
    """A function that puts arrays into a store."""

    def store(*arrays, harps=None, components=None, patch=64):
        fields, patches = [], []
        with StoreWriter(tmp_path / "store") as writer:
            for number, data in enumerate(arrays):
                row = {"name": f"field {number}", "harp": harps[number] if harps else number + 1, "side": "training"}
                row |= {"component": components[number] if components else "los", "is_fine": True, "noise": 3.0}
                row |= {"rows": data.shape[0], "columns": data.shape[1], "low_offset": -1, "gain": 1.0}
                fields.append({**row, "offset": writer.add(data)})
                limits = {"side": patch, "strong_field": 200.0, "max_missing": 0.5}
                patches += [{"field": number, **row} for row in windows_of(data, np.ones_like(data), **limits)]
            fields, patches = Table(fields), Table(patches)
            patches["weight"] = window_weights(patches, fields)
            writer.finish(fields=fields, patches=patches, settings={"strong_field": 200.0})
        return PatchStore(tmp_path / "store")

    return store


@pytest.fixture
def noise(rng):
    return lambda shape=(96, 96): rng.normal(0, 10, shape).astype(np.float32)


def test_detector_pixels_get_their_share():
    """However much of the Sun the heliographic maps show."""
    patches = Table({"field": [0, 0, 1], "finite": [1.0] * 3, "height": [64] * 3, "width": [64] * 3})
    rows = [("training", -1, 7, "los", True, unit) for unit in ("deg / pix", "arcsec / pix")]
    names = ("side", "low_offset", "harp", "component", "is_fine", "plate_scale_unit")
    weights = window_weights(patches, Table(rows=rows, names=names), helioprojective_share=0.7)
    assert weights == pytest.approx([0.15, 0.15, 0.7])


def test_round_trip(make, rng):
    """To 1/16 G, missing pixels stay missing, and what is beyond 4096 G is clipped."""
    first, second = (rng.uniform(-4000, 4000, shape).astype(np.float32) for shape in ((70, 90), (80, 65)))
    first[10:20, 30:35] = np.nan
    second[0, 0] = -5000
    store = make(first, second)
    assert store.read(0, 0, 0, 70, 90) == pytest.approx(first, abs=1 / 16, nan_ok=True)
    part = store.read(1, 5, 7, 20, 30)
    assert part.dtype == np.float32
    assert part == pytest.approx(second[5:25, 7:37], abs=1 / 16)
    assert store.read(1, 0, 0, 1, 1)[0, 0] == pytest.approx(-4096, abs=1 / 8)


def test_a_store_of_another_version_is_refused(make, noise):
    folder = make(noise()).folder
    facts = json.loads((folder / "store.json").read_text())
    (folder / "store.json").write_text(json.dumps({**facts, "version": 99}))
    with pytest.raises(ValueError, match="must be a store of version 2, got version 99"):
        PatchStore(folder)


def test_patches_depend_on_seed_and_number_only(make, noise):
    store = make(noise(), noise())
    sampler = PatchSampler(store, patch=32, seed=1)
    sampler.batch(3, 5)
    first, sigma = sampler.batch(7, 4)
    assert np.array_equal(first, PatchSampler(store, patch=32, seed=1).batch(7, 4)[0])
    assert first.shape == (4, 1, 32, 32)
    assert sigma.tolist() == [3.0] * 4
    assert len(sampler.names(7, 4)) == 4
    assert not np.array_equal(first, sampler.batch(8, 4)[0])
    assert not np.array_equal(first, PatchSampler(store, patch=32, seed=2).batch(7, 4)[0])


def test_patches_hold_no_missing_data(make, noise):
    data = noise((80, 80))
    data[:, 60:] = np.nan
    assert np.isfinite(PatchSampler(make(data), patch=32).batch(0, 20)[0]).all()


def test_patches_come_from_everywhere(make):
    """The jitter reaches every corner that is a multiple of 4."""
    y, x = np.mgrid[:80, :80]
    patches, _ = PatchSampler(make((y + 100 * x).astype(float) / 4), patch=32, strong_share=0).batch(0, 5000)
    corners = {round(4 * float(value)) for value in np.abs(patches).min(axis=(1, 2, 3))}
    assert corners == {row + 100 * column for row in range(0, 49, 4) for column in range(0, 49, 4)}


def test_polarity_and_orientation_are_balanced(make):
    data = np.add.outer(np.zeros(64), np.linspace(50, 100, 64)).astype(np.float32)
    patches, _ = PatchSampler(make(data), patch=32).batch(0, 200)
    assert abs((patches.mean(axis=(1, 2, 3)) > 0).mean() - 0.5) < 0.15
    along_x = np.abs(np.diff(patches, axis=3)).max(axis=(1, 2, 3)) > np.abs(np.diff(patches, axis=2)).max(
        axis=(1, 2, 3)
    )
    assert abs(along_x.mean() - 0.5) < 0.15


def test_strong_field_is_oversampled(make, noise):
    data = noise((200, 200))
    data[20:40, 20:40] = 1000
    store = make(data)
    shares = [
        (np.abs(PatchSampler(store, patch=32, strong_share=share).batch(0, 200)[0]).max(axis=(1, 2, 3)) > 500).mean()
        for share in (0.0, 0.8)
    ]
    assert shares[0] < 0.3
    assert shares[1] > 0.7


def test_shares_of_components(make, noise):
    store = make(noise(), 0 * noise(), noise(), components=["los", "br", "bp"])
    patches, _ = PatchSampler(store, patch=32, component_weights={"los": 0.75, "Br": 0.25}).batch(0, 400)
    assert (patches.std(axis=(1, 2, 3)) == 0).mean() == pytest.approx(0.25, abs=0.08)


def test_regions_are_balanced_by_a_square_root(make, noise):
    """Nine frames of one region count three times as often as one of another."""
    store = make(*(noise((64, 64)) for _ in range(9)), 0 * noise((64, 64)), harps=[1] * 9 + [2])
    patches, _ = PatchSampler(store, patch=32).batch(0, 400)
    assert (patches.std(axis=(1, 2, 3)) == 0).mean() == pytest.approx(0.25, abs=0.08)


def test_strength_of_patches_is_varied_with_their_noise(make, noise):
    store = make(noise())
    plain, quiet = PatchSampler(store, patch=32).batch(3, 200)
    varied, level = PatchSampler(store, patch=32, strength_range=(0.5, 1.5)).batch(3, 200)
    factor = varied.std(axis=(1, 2, 3)) / plain.std(axis=(1, 2, 3))
    assert np.allclose(level / quiet, factor, rtol=1e-3)
    assert 0.5 <= factor.min() < 0.55
    assert 1.4 < factor.max() <= 1.5
    assert np.allclose(varied, factor[:, None, None, None] * plain, rtol=1e-3, atol=1e-3)


def test_noise_of_patches_is_brought_into_a_range(make, noise):
    """By a factor within the range of strength; what no factor brings there is not drawn."""
    store = make(noise())
    own = float(PatchSampler(store, patch=32).batch(3, 1)[1][0])
    within = PatchSampler(store, patch=32, strength_range=(0.5, 1.5), noise_range=(0.8 * own, 0.9 * own))
    level = within.batch(3, 200)[1]
    assert np.all((level > 0.799 * own) & (level < 0.901 * own))
    with pytest.raises(ValueError, match="got 32 and none of"):
        PatchSampler(store, patch=32, strength_range=(0.5, 1.5), noise_range=(2 * own, 3 * own))


def test_a_patch_that_is_too_large(make, noise):
    with pytest.raises(ValueError, match="patch must fit into a magnetogram of the training data, got 128"):
        PatchSampler(make(noise()), patch=128)


def test_no_pairs(make, noise):
    with pytest.raises(ValueError, match=r"data\.store must hold true pairs \(see data\.pairs\) of 32 pixels"):
        PatchSampler(make(noise()), patch=32).pair_batch(0, 2)


def test_a_pair_stays_aligned(tmp_path, rng):
    """Whatever the turns, the low-resolution patch is the mean of the high-resolution one, on its own scale."""
    high = 3000 * gaussian_filter(rng.standard_normal((192, 256)), 4).astype(np.float32)
    low = 1.4 * degrade(high) + 5
    high[:60, :60] = np.nan
    write_patch(tmp_path / "fits", high)
    write_patch(tmp_path / "mdi", low.astype(np.float32), interval=300.0, **MDI)
    data = DataConfig(root=str(tmp_path / "fits"), pairs=str(tmp_path / "mdi"))
    config = TrainingConfig(output=str(tmp_path / "run"), data=data)
    store = PatchStore(prepare_store(config, progress=False))
    assert (store.fields["low_offset"] >= 0).tolist() == [False, True]
    assert store.fields["noise_class"].tolist() == ["hmi-los", "mdi-300s"]
    assert np.isnan(store.read(1, 0, 0, 192, 256)).mean() == pytest.approx(60**2 / (192 * 256), abs=0.01)
    alone = dataclasses.replace(config, data=dataclasses.replace(data, pairs_only=True), output=str(tmp_path / "alone"))
    assert PatchStore(prepare_store(alone, progress=False)).fields["noise_class"].tolist() == ["mdi-300s"]
    (tmp_path / "none").mkdir()
    lonely = dataclasses.replace(alone, data=dataclasses.replace(alone.data, pairs=str(tmp_path / "none")))
    with pytest.raises(ValueError, match=r"data\.pairs must hold partners"):
        prepare_store(lonely, progress=False)
    sampler = samplers_of(config, AutoencoderConfig(patch=64))[0]
    drawn, seen, sigma = sampler.pair_batch(0, 12)
    assert (drawn.shape, seen.shape, sigma.shape) == ((12, 1, 64, 64), (12, 1, 16, 16), (12,))
    scaled, same, _ = sampler.pair_batch(0, 12, scale="input")
    np.testing.assert_allclose(scaled, drawn / 0.701, rtol=1e-6)
    np.testing.assert_array_equal(same, seen)
    sign = np.sign((seen - 1.4 * degrade(drawn)).mean(axis=(1, 2, 3), keepdims=True))
    assert seen == pytest.approx(1.4 * degrade(drawn) + 5 * sign, abs=2)
    assert len({float(value) for value in sign.ravel()}) == 2, "both polarities"
