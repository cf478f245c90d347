"""
Headers and arrays as people have them, changed at random, and what counts as right.

A case is right if it is refused in one sentence that names the argument, or if the result is where the input is: its
coordinates agree with the input's at the corners, edges and center to 1e-3 input pixels, also after a file was written and
read again, its Jacobian is the input's over the ratio, its field is the input's, and what is missing is NaN.
"""

import math
import re
import warnings

import astropy.units as u
import dask.array
import numpy as np
import sunpy.map
from hypothesis import strategies as st
from sunpy.data.test import get_test_filepath
from sunpy.time import parse_time
from sunpy.util.exceptions import SunpyMetadataWarning

import sunpy_magsr
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.maps.header import plain_header
from sunpy_magsr.maps.wcs import jacobian

HEADERS = (
    "mdi.fd_M_96m_lev182.20101015_191200_TAI.data.header",
    "hmi_cea_sharp_magnetogram.header",
    "hmi_sharp_magnetogram.header",
    "hmi_synoptic.header",
    "mdi_synoptic.header",
    "gong_magnetogram.header",
    "gong_synoptic.header",
)
SOI = {
    "telescop": "SOHO", "instrume": "MDI", "detector": "MDI", "dpc_obsr": "FD_Magnetogram_Sum", "obs_type": "MAGNI",
    "bunit": "Gauss", "interval": 30.0, "ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cdelt1": 1.98, "cdelt2": 1.98,
    "crpix1": 512.5, "crpix2": 512.5, "crval1": 0.0, "crval2": 0.0, "solar_p0": -180.0, "obs_b0": 0.0, "obs_l0": 229.0,
    "earth_l0": 229.0, "obs_dist": 0.99, "obs_r0": 970.0, "date-obs": "2005-01-11T23:59:32.227Z",
}  # fmt: skip
SMARP = {
    "telescop": "SOHO", "instrume": "MDI", "content": "MDI observable", "drms_id": "mdi.smarp_cea_96m:2:magnetogram",
    "bunit": "Mx/cm^2", "ctype1": "CRLN-CEA", "ctype2": "CRLT-CEA", "cunit1": "degree", "cunit2": "degree", "cdelt1": 0.12,
    "cdelt2": 0.12, "crpix1": 60.5, "crpix2": 40.5, "crval1": 200.0, "crval2": 12.0, "crln_obs": 210.0, "crlt_obs": 4.2,
    "dsun_obs": 1.5e11, "rsun_obs": 960.0, "date-obs": "2010-07-14T12:47:00", "t_obs": "2010.07.14_12:48:00_TAI",
}  # fmt: skip
PHI = {
    "telescop": "SOLO/PHI/HRT", "instrume": "PHI", "filename": "solo_L2_phi-hrt-blos_20220307T000009_V01.fits", "bunit": "Gauss",
    "ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec", "cdelt1": 0.5, "cdelt2": 0.5,
    "crpix1": 1024.5, "crpix2": 1024.5, "crval1": 120.0, "crval2": -300.0, "pc1_1": 0.995, "pc1_2": -0.0998, "pc2_1": 0.0998,
    "pc2_2": 0.995, "solar_p0": 22.87, "btype": "LOS magnetic field strength", "dsun_obs": 7.6e10, "rsun_obs": 1889.0, "hgln_obs": -7.0, "hglt_obs": 2.5, "date-obs": "2022-03-07T00:00:09",
}  # fmt: skip
BASES = {"soi": SOI, "smarp": SMARP, "phi": PHI}
WCS_CARDS = (
    "cdelt1", "cdelt2", "crpix1", "crpix2", "crval1", "crval2", "crota2", "pc1_1", "pc1_2", "pc2_1", "pc2_2", "cd1_1", "cd1_2",
    "cd2_1", "cd2_2", "lonpole", "latpole", "pv2_1", "pv1_1", "rsun_obs", "dsun_obs", "hgln_obs", "hglt_obs", "crln_obs",
    "crlt_obs", "solar_p0", "interval", "rsun_ref", "wcsaxes", "naxis", "naxis1", "naxis2", "naxis3", "a_order", "a_1_1",
    "car_rot", "r_sun", "solar_r", "radius", "fndlmbmi", "fndlmbma", "semidiam", "blank", "bscale", "obs_dist", "obs_r0",
    "crpix1a", "cdelt1a", "exptime", "velosys", "restfrq", "equinox", "mjd-obs", "cdelt3", "crpix3", "crval3", "pc3_1", "accrowit",
)  # fmt: skip
TEXT_CARDS = (
    "ctype1", "ctype2", "cunit1", "cunit2", "bunit", "_bunit", "date-obs", "date_obs", "t_obs", "telescop", "instrume", "detector",
    "content", "drms_id", "physparm", "dpc_obsr", "history", "comment", "wcsname", "radesys", "timesys", "filename", "date-avg",
    "date-beg", "trecepoc", "ctype1a", "imtype", "obs_type", "specsys", "dateref", "btype", "ctype3", "cunit3", "interval",
)  # fmt: skip
NUMBERS = (
    0, 0.0, -1, 1, 2, -2.0, 0.5, 4.0, 90.0, 180.0, -180.0, 359.9, 1e-12, -1e-12, 1e-30, 1e6, -1e6, 1e30, -1e300, 1e308, 2**31, 2**70,
    math.nan, math.inf, -math.inf, "", "north", "1.0", True, None, "2010-01-01", np.int64(24), np.float32(1.98), np.array(2.0),
    np.bool_(True), np.ma.masked, "MISSING", -2147483648, np.float64("nan"), b"1.0",
)  # fmt: skip
TEXTS = (
    "", " ", "HPLN-TAN", "HPLT-TAN", "HPLN-ARC", "HPLT-ARC", "HPLN-SIN", "HPLT-SIN", "CRLN-CEA", "CRLT-CEA", "CRLN-CAR", "CRLT-CAR",
    "HGLN-CEA", "HGLT-CEA", "SOLAR-X", "SOLARY", "RA---TAN", "DEC--TAN", "HPLN-TAN-SIP", "HPLN", "XYZ", "FREQ", "arcsec", "deg",
    "degree", "degrees", "rad", "m", "pix", "km/s", "arcsec/pix", "Gauss", "G", "kG", "mT", "T", "Mx/cm^2", "Mx", "DN", "G2", "nonsense",
    "10 G", "2011-02-30T00:00:00", "2011-02-15", "2011.02.15_00:00:00_TAI", "2011.02.15_00:00:60_TAI", "99999-01-01", "1950-01-01",
    "never", "2011-02-15T00:00:00+02:00", "0000-00-00", "MDI", "HMI_SIDE1", "SOHO", "SDO/HMI", "NSO-GONG", "SO/PHI", "AIA_3", "EIT",
    "continuum", "Dopplergram", "MAGNETOGRAM", "hmi.sharp_cea_720s:1:Br", "hmi.sharp_cea_720s:1:Br_err", "mdi.smarp_cea_96m:1:bitmap",
    "MISSING", "-4712.01.01_11:59:28_TAI", "arcsecs", "mag(G)", "dex(arcsec)", np.str_("G"), b"Gauss", np.array("arcsec"),
    "LOS magnetic field strength", "Magnetic field strength", "BLOS", "STOKES",
    ":::", "UTC", "TAI", "é", "a" * 5000, "two\nlines", "'", None, 3, 1e300, True, math.nan,
)  # fmt: skip
SENTENCE = re.compile(r"^(smap|plate_scale|component) must [^\n]{1,1200}$")


def base_header(name):
    """A header with the cards of a real file."""
    if name in BASES:
        return dict(BASES[name])
    return dict(sunpy.map.Map(np.zeros((4, 4)), _read(get_test_filepath(name))).meta)


def _read(path):
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fits.Header.fromtextfile(path)


def _array(kind, shape, seed):
    """An array of a kind, and what it says in float64 with NaN for what is missing."""
    rng = np.random.default_rng(seed)
    data = rng.normal(0, 30, shape)
    y, x = (int(rng.integers(0, side)) for side in shape)
    if kind == "cube":
        return np.stack([data] * 3), data  # sunpy takes the first plane and says so
    if kind in ("nan", "inf", "1e30", "-32768"):
        data[y, x] = float(kind)
        return data, np.where(np.abs(data) < 2e4, data, np.nan)
    if kind == "masked":
        mask = rng.random(shape) < 0.1
        return np.ma.MaskedArray(data, mask), np.where(mask, np.nan, data)
    plain = {
        "float64": lambda: data,
        "float32": lambda: data.astype(np.float32),
        "float16": lambda: data.astype(np.float16),
        "int16": lambda: data.round().astype(np.int16),
        "int64": lambda: data.round().astype(np.int64),
        "big-endian": lambda: data.astype(">f4"),
        "big-endian int": lambda: data.round().astype(">i2"),
        "not contiguous": lambda: np.asfortranarray(data)[::-1, ::-1],
        "read-only": lambda: _read_only(data),
    }
    if kind in plain:
        array = plain[kind]()
        return array, np.asarray(array, dtype=np.float64)
    if kind == "dask":
        return dask.array.from_array(data, chunks=16), data
    odd = {
        "complex": lambda: data + 1j,
        "object": lambda: data.astype(object),
        "bool": lambda: data > 0,
        "uint8": lambda: np.abs(data).astype(np.uint8),
        "text": lambda: data.astype(str),
        "all nan": lambda: np.full(shape, np.nan),
        "positive": lambda: np.abs(data) + 1,
    }
    return odd[kind](), None


def _read_only(data):
    data.flags.writeable = False
    return data


GOOD_ARRAYS = (
    "float64", "float32", "float16", "int16", "int64", "big-endian", "big-endian int", "not contiguous", "read-only", "dask",
    "cube", "masked", "nan", "inf", "1e30", "-32768",
)  # fmt: skip
ODD_ARRAYS = ("complex", "object", "bool", "uint8", "text", "all nan", "positive")


@st.composite
def cases(draw):
    """A case: what to make a Map of, and the options."""
    header = base_header(draw(st.sampled_from([*HEADERS, *BASES])))
    shape = draw(st.tuples(st.integers(16, 48), st.integers(16, 48)))
    # The middle of the array near the reference point, as a cutout of the disk has it.
    for axis, side in ((1, shape[1]), (2, shape[0])):
        header[f"crpix{axis}"] = side / 2 + draw(st.integers(-40, 40)) + draw(st.sampled_from([0.0, 0.5, 0.1373]))
    for _ in range(draw(st.integers(0, 3))):
        numeric = draw(st.booleans())
        card = draw(st.sampled_from(WCS_CARDS if numeric else TEXT_CARDS))
        header[card] = draw(
            st.one_of(st.sampled_from(NUMBERS), st.floats(width=32)) if numeric else st.sampled_from(TEXTS)
        )
    for card in draw(st.lists(st.sampled_from([*WCS_CARDS, *TEXT_CARDS]), max_size=2)):
        header.pop(card, None)
    common = draw(st.booleans())
    return {
        "header": header,
        "array": "float32" if common else draw(st.sampled_from([*GOOD_ARRAYS, *ODD_ARRAYS])),
        "shape": shape,
        "seed": draw(st.integers(0, 1000)),
        "plate_scale": draw(st.sampled_from([None, 0.5, 0.5, 0.1, 1.0])),
        "component": draw(st.sampled_from([None, None, None, "los", "br"])),
        "model": draw(st.sampled_from([*["bicubic"] * 19, "default"])),
    }


def judge(case):
    """
    Run a case.

    Returns
    -------
    `str`
        ``"no map"`` where sunpy makes none, ``"refused"`` or ``"right"``.

    Raises
    ------
    AssertionError
        If it is wrong.
    """
    array, truth = _array(case["array"], case["shape"], case["seed"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            smap = sunpy.map.Map(array, case["header"])
            before = dict(smap.meta)
            if not isinstance(smap, sunpy.map.GenericMap):
                return "no map"
        except Exception:  # noqa: BLE001  what sunpy makes no Map of does not reach us
            return "no map"
        plate_scale = None if case["plate_scale"] is None else case["plate_scale"] * u.arcsec / u.pix
        refusal = ""
        try:
            result = sunpy_magsr.superresolve(
                smap, model=case["model"], plate_scale=plate_scale, component=case["component"], bad_pixels="keep"
            )
        except (ValueError, TypeError) as error:
            refusal = str(error) or type(error).__name__
        if refusal:
            assert SENTENCE.match(refusal), f"no sentence that names the argument: {refusal}"
            return "refused"
        assert repr(dict(smap.meta)) == repr(before), "the input's header has changed"
        plain, _ = plain_header(smap)  # sunpy gives no coordinates where a date is marked as missing
        numbers = [card for card in WCS_CARDS if isinstance(before.get(card), int | float) and card in plain.meta]
        numbers = [card for card in numbers if card != "interval" and not math.isnan(before[card])]
        assert all(plain.meta[card] == before[card] for card in numbers), "a number has changed"
        smap = plain
        small = case["array"] == "positive" and min(case["shape"]) < 32  # a cutout within a sunspot
        assert truth is not None or small, f"an array of {case['array']} was taken"
        if truth is None:
            truth = np.asarray(array, dtype=float)
        _check_result(smap, result, truth, plate_scale)
        assert not [warning for warning in caught if issubclass(warning.category, RuntimeWarning)], "a numpy warning"
        _check_words(smap, truth, caught)
    return "right"


def _check_result(smap, result, truth, plate_scale):
    rows, columns = smap.data.shape
    ratio = np.array(result.data.shape[::-1]) / (columns, rows)
    assert type(result) is type(smap)
    assert result.data.dtype == np.float32
    assert result.unit == u.G
    x, y = (
        axis.ravel()
        for axis in np.meshgrid([-0.5, columns / 2 - 0.5, columns - 0.5], [-0.5, rows / 2 - 0.5, rows - 0.5])
    )
    world = np.array(smap.wcs.pixel_to_world_values(x, y))
    there = np.isfinite(world).all(axis=0)  # not beyond a pole
    x, y, world = x[there], y[there], world[:, there]
    matrix = np.diag([scale.value for scale in smap.scale]) @ smap.rotation_matrix
    on_sky = smap.coordinate_system[0].upper().startswith(("HPLN", "SOL"))
    if plate_scale is None or not on_sky:
        assert (ratio == 4).all()
        step = (4.0, 4.0)
    else:
        arcsec = np.diag([scale.to_value(u.arcsec / u.pix) for scale in smap.scale]) @ smap.rotation_matrix
        step = np.linalg.norm(arcsec, axis=0) / plate_scale.value
    roll = "crota2" in result.meta and "crota2" not in smap.meta  # of SOLAR_P0, which sunpy does not read
    for what, finer in (("result", result), ("file", sunpy.map.Map(result.data, result.fits_header))):
        # the two grids share their center
        place = [
            (at - (side - 1) / 2) * along + (fine - 1) / 2
            for at, side, along, fine in zip((x, y), (columns, rows), step, finer.data.shape[::-1], strict=True)
        ]
        away = np.array(finer.wcs.pixel_to_world_values(*place)) - world
        away[0] = (away[0] + 180) % 360 - 180
        error = np.abs(np.linalg.solve(jacobian(smap, columns / 2, rows / 2), away)).max(axis=1)
        assert roll or (error < 1e-3).all(), f"the {what}'s coordinates are off by {error} input pixels"
        finer_matrix = np.diag([scale.value for scale in finer.scale]) @ finer.rotation_matrix
        assert roll or np.allclose(finer_matrix * step, matrix, rtol=1e-6, atol=1e-9), (
            f"the {what}'s Jacobian is another"
        )
        for name in ("date", "observer_coordinate") if _dated(smap) else ():
            assert str(getattr(finer, name)) == str(getattr(smap, name)), f"{name} of the {what} is another"
    unit = (smap.unit or u.G).to(u.G)
    assert np.isfinite(result.data).any()
    if (ratio == 4).all():
        low = np.where(np.abs(truth * unit) < 2e4, truth * unit, np.nan)
        means = result.data.astype(float).reshape(rows, 4, columns, 4).mean(axis=(1, 3))
        both = np.isfinite(low) & np.isfinite(means)
        exact = "+" not in result.meta["magsrmod"]  # an adapter's agrees within the noise
        limit = 0.1 + 1e-5 * np.abs(low[both]).max() if exact else np.inf
        assert np.abs(means - low)[both].max() <= limit, "the field is not the input's"
        assert not np.isfinite(means)[~np.isfinite(low)].any(), "a missing pixel is finite"


def _dated(smap):
    return any(smap.meta.get(card) for card in ("date-obs", "date_obs", "date-avg", "date-beg", "date-end"))


def _check_words(smap, truth, caught):
    """What was assumed or left out was said."""
    words = " ".join(
        str(warning.message)
        for warning in caught
        if issubclass(warning.category, (MagsrUserWarning, SunpyMetadataWarning))
    )
    if np.isinf(smap.data).any() and "infinite" not in words:
        y, x = (int(axis[0]) for axis in np.nonzero(np.isinf(np.asarray(smap.data))))
        off = smap.pixel_to_world(x * u.pix, y * u.pix)
        on_disk = not hasattr(off, "Tx") or np.hypot(off.Tx, off.Ty) <= smap.rsun_obs
        assert not on_disk, "an infinite pixel was left out without a word"
    today = abs((smap.date - parse_time("now")).to_value("day")) < 1
    assert not today or "observation time" in words, "today's date was taken without a word"
