"""What a file is, by its header and its name: a line for each product of ``data/products.toml``."""

import numpy as np
import pytest
import sunpy.map
from sunpy.data.test import get_dummy_map_from_header

import sunpy_magsr
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.maps.header import product_of

SKY = {
    "ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec", "cdelt1": 2.0, "cdelt2": 2.0, "crpix1": 24.5,
    "crpix2": 24.5, "crval1": 0.0, "crval2": 0.0, "rsun_obs": 960.0, "dsun_obs": 1.49e11, "hgln_obs": 0.0, "hglt_obs": 0.0,
    "date-obs": "2012-01-01T00:00:00", "bunit": "G",
}  # fmt: skip
MDI, HMI = {"telescop": "SOHO", "instrume": "MDI"}, {"telescop": "SDO/HMI", "instrume": "HMI_SIDE1"}


def of(cards, data=None):
    data = np.random.default_rng(0).normal(0, 30, (48, 48)) if data is None else data
    return sunpy.map.Map(data, {**SKY, **cards})


@pytest.mark.parametrize(
    ("cards", "file", "instrument", "component"),
    [
        ({**MDI, "content": "MDI Full Disk 96m Magnetogram"}, "", "MDI", "los"),
        ({**MDI, "drms_id": "mdi.fd_M_96m_lev182:1:data"}, "", "MDI", "los"),
        ({**MDI, "dpc_obsr": "FD_Magnetogram_Sum", "obs_type": "MAGNI"}, "", "MDI", "los"),
        ({**MDI, "content": "MDI observable", "drms_id": "mdi.smarp_cea_96m:2:magnetogram"}, "", "MDI", "los"),
        (MDI, "", "MDI", "los"),
        ({**HMI, "content": "MAGNETOGRAM"}, "", "HMI", "los"),
        ({**HMI, "drms_id": "hmi.M_720s[2012.01.01]:magnetogram"}, "", "HMI", "los"),
        ({**HMI, "content": "HMI observable", "drms_id": "hmi.sharp_cea_720s:1:Br"}, "", "HMI", "br"),
        ({**HMI, "content": "HMI observable"}, "hmi.sharp_cea_720s.377.20110215_000000_TAI.Br.fits", "HMI", "br"),
        ({**HMI, "content": "HMI observable"}, "hmi.sharp_cea_720s.377.20110215_000000_TAI.Bp.fits.gz", "HMI", "bp"),
        ({**HMI, "content": "HMI observable"}, "hmi.sharp_720s.377.20110215_000000_TAI.magnetogram.fits", "HMI", "los"),
        ({**HMI, "content": "Carrington Synoptic Chart Of Br Field"}, "", "HMI", "br"),
        ({**HMI, "content": "HMI observable"}, "my_file.fits", "HMI", ""),
        ({"telescop": "NSO-GONG", "imtype": "MAGNETIC"}, "", "GONG", "los"),
        ({"telescop": "SOLIS VSM"}, "", "SOLIS", ""),
        ({"telescop": "SO/PHI/FDT", "filename": "solo_L2_phi-fdt-blos_20220308T000009_V01.fits"}, "", "PHI", "los"),
        ({"telescop": "HINODE", "instrume": "SOT/SP"}, "", "HINODE", ""),
        ({"telescop": "Mt. Wilson 150-foot tower"}, "", "MWO", "los"),
        ({"telescop": "Kitt Peak", "instrume": "SPMG"}, "", "SPMG", ""),
    ],
)
def test_products(cards, file, instrument, component):
    product = product_of(of(cards), name=file)
    assert (product.instrument, product.component) == (instrument, component)
    assert product.refused == ""
    assert product.told == bool(component)


@pytest.mark.parametrize(
    ("cards", "file", "reason"),
    [
        ({**HMI, "drms_id": "hmi.B_720s:1:field"}, "", "a signed component of the field, got the segment 'field'"),
        (
            {**HMI, "drms_id": "hmi.sharp_cea_720s:1:Br_err"},
            "",
            "a signed component of the field, got the segment 'Br_err'",
        ),
        (
            HMI,
            "hmi.sharp_cea_720s.377.20110215_000000_TAI.bitmap.fits",
            "a signed component of the field, got the segment 'bitmap'",
        ),
        ({**HMI, "drms_id": "hmi.V_720s:1:Dopplergram"}, "", "a magnetogram, got the segment 'Dopplergram'"),
        ({**MDI, "drms_id": "mdi.fd_Ic_mod:2:data"}, "", "a magnetogram, got the series 'mdi.fd_Ic_mod'"),
        (
            {**MDI, "content": "MDI Full Disk Intensity Continuum"},
            "",
            "a magnetogram, got 'MDI Full Disk Intensity Continuum'",
        ),
        (
            {"telescop": "SO/PHI/HRT"},
            "solo_L2_phi-hrt-bmag_20220308T000009_V01.fits",
            "a signed component of the field",
        ),
    ],
)
def test_what_is_none_says_why(cards, file, reason):
    refused = product_of(of(cards), name=file).refused
    with pytest.raises(ValueError, match=reason):
        raise ValueError(refused)


@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyUserWarning", "ignore:.*:UserWarning")
@pytest.mark.parametrize(
    ("header", "instrument", "component"),
    [
        ("mdi.fd_M_96m_lev182.20101015_191200_TAI.data.header", "MDI", "los"),
        ("hmi_cea_sharp_magnetogram.header", "HMI", "los"),
        ("hmi_synoptic.header", "HMI", "br"),
        ("mdi_synoptic.header", "MDI", "br"),
        ("gong_magnetogram.header", "GONG", "los"),
        ("gong_synoptic.header", "GONG", "los"),
    ],
)
def test_real_headers(header, instrument, component):
    product = product_of(get_dummy_map_from_header(header))
    assert (product.instrument, product.component) == (instrument, component)


def test_a_component_that_nobody_says_is_warned_about_and_the_user_may_say_it():
    unknown = of({**HMI, "content": "HMI observable"})
    with pytest.warns(MagsrUserWarning, match="smap does not say which component of the field it shows"):
        guess = sunpy_magsr.superresolve(unknown, plate_scale=None)
    los = sunpy_magsr.superresolve(unknown, plate_scale=None, component="los")
    radial = sunpy_magsr.superresolve(unknown, plate_scale=None, component="br")
    assert np.array_equal(guess.data, los.data)
    assert not np.array_equal(guess.data, radial.data)


@pytest.mark.parametrize(
    ("cards", "component", "message"),
    [
        ({"content": "MAGNETOGRAM"}, "br", "component must be that of the header of smap, 'los', or None, got 'br'"),
        ({"content": "MAGNETOGRAM"}, "up", "component must be None or one of 'los', 'br', 'bp', 'bt', got 'up'"),
    ],
)
def test_a_component_that_cannot_be_is_refused(cards, component, message):
    with pytest.raises(ValueError, match=message):
        sunpy_magsr.superresolve(of({**HMI, **cards}), model="bicubic", component=component)


def test_the_command_reads_the_name_of_the_file(tmp_path, capsys):
    from astropy.io import fits

    from sunpy_magsr.cli.main import main

    smap = of({**HMI, "content": "HMI observable"})
    radial, plain, error = (
        tmp_path / f"{name}.fits"
        for name in ("hmi.sharp_720s.1.20120101_000000_TAI.Br", "mine", "hmi.sharp_720s.1.20120101_000000_TAI.Br_err")
    )
    for path in (radial, plain, error):
        fits.writeto(path, smap.data, smap.fits_header)
    command = ["superresolve", "-o", str(tmp_path / "out"), "--plate-scale", "native"]
    assert main([*command, str(radial), str(plain), str(error)]) == 1
    said = capsys.readouterr().err
    assert f"{plain}: FILE does not say which component" in said
    assert "--component los or --component br says it" in said
    assert f"{error}: FILE must be a signed component of the field, got the segment 'Br_err'" in said
    assert str(radial) not in said
    assert main([*command, "--overwrite", "--component", "br", str(plain)]) == 0
    assert "does not say" not in capsys.readouterr().err
    one, other = (fits.getdata(tmp_path / "out" / f"{path.stem}.magsr.fits") for path in (radial, plain))
    assert np.array_equal(one, other)
