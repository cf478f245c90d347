"""What every backend must do, and what the diffusion model adds."""

import copy
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import astropy.units as u
import numpy as np
import pytest
import sunpy.map

import sunpy_magsr
from sunpy_magsr.maps import prepare
from sunpy_magsr.sampling import load_backend

NAMES = [name for name in sunpy_magsr.list_models()["name"] if name != "default"]  # which is one of two others
TWO = ["ldm-res", "default+mdi"]  # one that keeps the input exactly, and one that keeps it within its noise
EXACT = [name for name in NAMES if load_backend(name).card.consistency == "exact"]
FIRST = [pytest.param(name, marks=[] if name in {"bicubic", *TWO} else pytest.mark.slow) for name in NAMES]
MACHINE = {"steps": None, "device": "cpu", "batch_size": None, "progress": False}


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def native(smap, **options):
    return sunpy_magsr.superresolve(smap, plate_scale=None, **options)


def quick(smap, **options):
    """What holds for every model holds for a few steps."""
    is_free = not load_backend(options.get("model", "default")).card.fixed_steps
    return native(smap, steps=4 if is_free else None, **options)


def block_mean(data):
    rows, columns = data.shape
    return data.reshape(rows // 4, 4, columns // 4, 4).mean(axis=(1, 3))


def cut(smap, y, x, rows, columns):
    return smap.submap([x, y] * u.pix, top_right=[x + columns - 1, y + rows - 1] * u.pix)


def test_seed_repeats_bit_for_bit(name, small):
    assert np.array_equal(quick(small, model=name, seed=4).data, quick(small, model=name, seed=4).data)


@pytest.mark.parametrize("name", TWO)
@pytest.mark.parametrize("dtype", [">f4", ">f8", "<i2", ">i2", "<f8"])
def test_any_byte_order_and_type(name, small, dtype):
    data = np.round(small.data)
    expected = quick(sunpy.map.Map(data.astype("f4"), small.meta), model=name)
    result = quick(sunpy.map.Map(data.astype(dtype), small.meta), model=name)
    assert np.array_equal(result.data, expected.data)


@pytest.mark.parametrize("shape", [(16, 16), (17, 33)])
def test_input_is_conserved_whatever_its_size(name, small, shape):
    cutout = cut(small, 0, 0, *shape)
    result = quick(cutout, model=name)
    assert result.data.shape == (4 * shape[0], 4 * shape[1])
    if name in EXACT:
        assert block_mean(result.data) == pytest.approx(cutout.data, abs=0.1)
    assert np.corrcoef(block_mean(result.data).ravel(), cutout.data.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("name", TWO)
def test_missing_pixels_come_back_missing(name, small):
    data = small.data.copy()
    data[10:14, 20:30] = np.nan
    data[0, :5] = np.nan
    result = quick(sunpy.map.Map(data, small.meta), model=name)
    assert np.array_equal(np.isnan(result.data), np.isnan(data).repeat(4, 0).repeat(4, 1))
    assert np.array_equal(result.mask, np.isnan(result.data))


@pytest.mark.parametrize("name", TWO)
def test_what_is_under_a_mask_does_not_leak(name, small):
    mask = np.zeros(small.data.shape, dtype=bool)
    mask[5:15, 5:15] = True
    results = []
    for value in (0.0, 3000.0):
        data = np.where(mask, value, small.data)
        results.append(quick(sunpy.map.Map(data, small.meta, mask=mask), model=name).data)
    assert np.array_equal(*results, equal_nan=True)
    assert np.isnan(results[0]).sum() == 1600


@pytest.mark.parametrize("name", TWO)
def test_nothing_leaks_in_from_beyond_the_limb(name, sample):
    """Values that a file carries off the disk change nothing on it."""
    limb = cut(sample, 240, 30, 60, 60)
    junk = np.where(np.isnan(limb.data), 3000.0, limb.data)
    assert 0.1 < np.isnan(limb.data).mean() < 0.9
    result, with_junk = (quick(sunpy.map.Map(data, limb.meta), model=name) for data in (limb.data, junk))
    assert np.array_equal(result.data, with_junk.data, equal_nan=True)


@pytest.mark.filterwarnings("ignore:.*was trained on noise of")  # a field of zeros has none, which is said
def test_constant_field_has_no_edges(name, with_meta):
    """No structure appears where the input is empty, at the border or inside, beyond the noise of the model's card."""
    result = quick(with_meta(np.zeros((32, 32))), model=name).data
    assert np.abs(result.mean()) < (0.1 if name in EXACT else 1)
    assert result.std() < (8 if name in EXACT else 12)
    assert result[:8].std() < 2 * result[40:80].std() + 0.1


@pytest.fixture(scope="module")
def frame(sample):
    """A frame large enough for a cutout whose middle is 64 pixels from its edge."""
    return cut(sample, 20, 100, 190, 200)


@pytest.mark.parametrize("name", FIRST)
def test_cutout_agrees_with_its_frame(name, frame):
    """Away from the cutout's edge by the halo of the model's card, if it is told the blur that was measured on the frame."""
    halo = load_backend(name).card.halo
    result = native(frame, model=name, seed=3)
    whole, blur = result.data, [result.meta[card] for card in ("magsrpsf", "magsrpse") if card in result.meta]
    for y, x in ((10, 16), (13, 21)):
        part = cut(frame, y, x, 2 * halo + 32, 2 * halo + 40)
        cutout = native(part, model=name, seed=3, psf_fwhm=blur * u.arcsec if blur else None).data
        inner = (slice(4 * halo, -4 * halo),) * 2
        same = whole[4 * y : 4 * y + cutout.shape[0], 4 * x : 4 * x + cutout.shape[1]]
        assert np.abs(cutout[inner] - same[inner]).max() < 0.5


@pytest.mark.parametrize("name", FIRST)
@pytest.mark.parametrize("options", [{"tile": 46}, {"tile": 32, "batch_size": 3}])
def test_tiling_and_batch_change_nothing(name, sample, options):
    """At the limb, where some tilings leave out tiles that others compute."""
    loaded = load_backend(name)
    magnetogram = prepare(cut(sample, 180, 0, 110, 110))
    settings = {**MACHINE, "batch_size": options.get("batch_size"), "n_samples": 1, "seed": 3}
    other = copy.copy(loaded)
    other.tile = options["tile"]
    expected = next(iter(loaded.samples(magnetogram, **settings)))
    difference = np.abs(next(iter(other.samples(magnetogram, **settings))) - expected)
    assert difference[magnetogram.valid.repeat(4, 0).repeat(4, 1)].max() < 0.5


def test_threads_change_nothing(small):
    import torch

    threads = torch.get_num_threads()
    try:
        results = []
        for number in (1, 2):
            torch.set_num_threads(number)
            results.append(native(small).data)
    finally:
        torch.set_num_threads(threads)
    assert np.abs(results[0] - results[1]).max() < 0.5


def in_half_precision(smap, seed):
    backend = copy.copy(load_backend("default", instrument="MDI"))
    backend.half = True
    return native(smap, model=backend, seed=seed).data


@pytest.mark.filterwarnings("ignore:This process")
def test_the_number_format_of_a_gpu_changes_little(sample):
    """In a process of its own, as some CPUs end one that multiplies in bfloat16."""
    cutout = cut(sample, 60, 60, 96, 96)
    full = native(cutout).data
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as child:
        try:
            half = child.submit(in_half_precision, cutout, 0).result(timeout=120)
        except BrokenProcessPool:
            pytest.skip("this CPU cannot multiply in bfloat16")
    assert not np.array_equal(half, full, equal_nan=True)
    assert np.sqrt(np.nanmean((half - full) ** 2)) < 1
    assert np.nanstd(half) == pytest.approx(np.nanstd(full), rel=1e-3)
    assert np.nanstd(np.diff(half)) == pytest.approx(np.nanstd(np.diff(full)), rel=2e-3)


def test_samples_differ_and_spread_with_the_field(small):
    first, second = (native(small, seed=seed).data for seed in (0, 1))
    field = np.abs(small.data).repeat(4, 0).repeat(4, 1)
    difference = np.abs(first - second)
    assert difference[field > 200].mean() > 1.5 * difference[field < 20].mean()


def test_default_takes_its_adapter_for_mdi_alone(small):
    expected = {name: native(small, model=name).data for name in ("ldm-res", "default+mdi")}
    assert not np.array_equal(*expected.values())
    assert np.array_equal(native(small).data, expected["default+mdi"])
    assert np.array_equal(native(small, model=load_backend("ldm-res")).data, expected["ldm-res"])
    of_hmi = sunpy.map.Map(small.data, {**small.meta, "instrume": "HMI_SIDE1", "camera": "HMI"})
    result = native(of_hmi)
    assert np.array_equal(result.data, expected["ldm-res"])
    assert (result.meta["magsrmod"], native(small).meta["magsrmod"]) == ("default", "default+mdi")
    assert "input: exact" in " ".join(result.meta["history"].split())
    assert "input: noise" in " ".join(native(small).meta["history"].split())
