import astropy.units as u
import numpy as np
import pytest
from matplotlib.figure import Figure

from sunpy_magsr.spectral import coherence, plot_coherence, plot_spectra, power_spectrum

SCALE = 0.5 * u.arcsec / u.pix
POWER = u.G**2 * u.arcsec**2


def test_plots_show_the_numbers_with_units(tmp_path, red_noise):
    truth, other = red_noise(128), red_noise(128)
    truth_power, power = (power_spectrum(field, plate_scale=SCALE) for field in (truth, other))
    axes = plot_spectra({"model": power}, truth=truth_power)
    curves = {line.get_label(): line for line in axes.get_lines()}
    np.testing.assert_allclose(curves["model"].get_ydata(), power.value.to_value(POWER))
    assert curves["truth"].get_color() == "black"
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert "arcsec" in axes.get_xlabel()
    assert "G$^2$ arcsec$^2$" in axes.get_ylabel()
    assert {line.get_xdata()[0] for line in axes.get_lines() if len(line.get_xdata()) == 2} == {0.25, 0.5}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["truth", "model"]
    axes.figure.savefig(tmp_path / "spectra.png")

    axes = plot_coherence({"model": coherence(truth + other, truth, plate_scale=SCALE)})
    assert axes.get_ylim() == (0, 1)
    axes.figure.savefig(tmp_path / "coherence.png")


def test_plots_draw_in_given_axes_and_leave_pyplot_alone(rng):
    import matplotlib.pyplot as plt

    field = rng.normal(size=(32, 32))
    axes = Figure().subplots()
    open_figures = plt.get_fignums()
    assert plot_spectra({"noise": power_spectrum(field, plate_scale=SCALE)}, axes=axes) is axes
    own = plot_coherence({"noise": coherence(field, field, plate_scale=SCALE)})
    assert own.figure._repr_png_().startswith(b"\x89PNG"), "a notebook shows it though pyplot does not know it"
    assert plt.get_fignums() == open_figures


def test_plots_refuse_other_quantities(rng):
    field = rng.normal(size=(32, 32))
    power, share = power_spectrum(field, plate_scale=SCALE), coherence(field, field, plate_scale=SCALE)
    with pytest.raises(ValueError, match="power in G2 arcsec2"):
        plot_spectra({"share": share})
    with pytest.raises(ValueError, match="power in G2 arcsec2"):
        plot_spectra({"power": power}, truth=share)
    with pytest.raises(ValueError, match="without unit"):
        plot_coherence({"power": power})
    with pytest.raises(ValueError, match="at least one"):
        plot_coherence({})
