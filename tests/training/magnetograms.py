"""Synthetic HMI and MDI files with the headers that matter."""

import astropy.units as u
from astropy.io import fits
from astropy.time import Time

HMI = {"telescop": "SDO/HMI", "instrume": "HMI_SIDE1", "wavelnth": 6173.0, "cdelt1": 0.03, "cdelt2": 0.03}
MDI = {"telescop": "SOHO", "instrume": "MDI", "wavelnth": 6768.0, "cdelt1": 0.12, "cdelt2": 0.12}


def write_patch(folder, data, *, harp=1, date="20110215_000000", component="magnetogram", longitude=0.0, **cards):
    """A CEA patch with its center on the equator, ``longitude`` degrees from the central meridian; returns its path."""
    time = Time.strptime(date, "%Y%m%d_%H%M%S", scale="tai")
    header = fits.Header({**HMI, "quality": 0, "missvals": 0, "harpnum": harp})
    header.update(
        {
            "ctype1": "CRLN-CEA",
            "ctype2": "CRLT-CEA",
            "cunit1": "degree",
            "cunit2": "degree",
            "crval1": 100.0 + longitude,
            "crval2": 0.0,
            "crpix1": (data.shape[1] + 1) / 2,
            "crpix2": (data.shape[0] + 1) / 2,
            "crln_obs": 100.0,
            "crlt_obs": 0.0,
            "dsun_obs": 1.496e11,
            "rsun_ref": 6.96e8,
            "bunit": "Mx/cm^2",
            "date-obs": (time.utc - 45 * u.s).isot,
            "t_obs": time.strftime("%Y.%m.%d_%H:%M:%S_TAI"),
        }
    )
    header.update(cards)
    folder.mkdir(exist_ok=True)
    path = folder / f"hmi.sharp_cea_720s.{harp}.{date}_TAI.{component}.fits"
    fits.PrimaryHDU(data, header).writeto(path, overwrite=True)
    return path
