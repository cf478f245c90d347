"""The lines of the page "Get MDI magnetograms" run against a server that speaks JSOC's protocol."""

import re
from pathlib import Path
from textwrap import dedent

import drms
import numpy as np
from astropy.io import fits

from sunpy_magsr.maps.fits import read_fits, write_compressed
from sunpy_magsr.pairs.jsoc import Archive

from .pairs.jsoc_server import JsocServer, record_of, running

PAGE = Path(__file__).parents[1] / "docs" / "how_to" / "get_data.rst"
SERIES = "mdi.fd_M_96m_lev182"


def make_record(folder, time, quality):
    name = time.replace(".", "").replace(":", "")
    header = fits.Header({"ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec"})
    header.update({"cdelt1": 2.0, "cdelt2": 2.0, "bunit": "Gauss", "telescop": "SOHO", "camera": "MDI", "missvals": 0})
    header.update({"t_rec": time, "t_obs": time, "quality": quality, "date-obs": "2011-04-01T00:00:00"})
    path = folder / f"{SERIES}.{name}.fits"
    write_compressed(np.random.default_rng(0).normal(0, 20, (32, 32)), header, path)
    return record_of(path)


def test_a_month_of_frames_without_the_bad_ones(tmp_path, monkeypatch):
    blocks = re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", PAGE.read_text(encoding="utf-8"))
    (code,) = [dedent(block) for block in blocks if "drms.Client" in block]
    days = {"2011.04.01_00:00:00_TAI": 0x200, "2011.04.02_00:00:00_TAI": 0x80000, "2011.04.03_00:00:00_TAI": 0x10200}
    jsoc = JsocServer({SERIES: [make_record(tmp_path, time, quality) for time, quality in days.items()]})
    jsoc.emails, jsoc.pending = {"you@example.org"}, 0
    monkeypatch.chdir(tmp_path)
    with running(jsoc) as url:
        client = Archive("you@example.org", wait=0.01, server=url).client
        monkeypatch.setattr(drms, "Client", lambda email: client)
        exec(code, {})
    files = sorted((tmp_path / "mdi").iterdir())
    assert [path.name.split(".")[-2] for path in files] == ["20110401_000000_TAI", "20110403_000000_TAI"]
    assert read_fits(files[0]).meta["quality"] == 0x200
