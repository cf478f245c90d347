"""From the archive to a judged adapter, on synthetic twins."""

import pytest
from safetensors.torch import load_file
from synthetic_sun import Errors, make_twins, synthetic_surface

from sunpy_magsr.cli.train import main as train
from sunpy_magsr.maps.fits import read_fits, write_compressed
from sunpy_magsr.store.card import bundled_folder
from sunpy_magsr.training.config import load_config
from sunpy_magsr.training.data.store import PatchStore
from sunpy_magsr.validation.evaluation import evaluate
from sunpy_magsr.validation.regions import paired_region, window_of

from .jsoc_server import JsocServer, record_of, running

pytestmark = pytest.mark.slow

FARTHER = 4
TIMES = ("2010-08-30T17:36:00", "2010-09-08T17:36:00", "2011-04-02T20:48:00")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A folder of fetched and aligned pairs, of which the second is upside down, and what the commands ended with."""
    folder = tmp_path_factory.mktemp("chain")
    series = {"mdi.fd_M_96m_lev182": [], "hmi.M_720s": []}
    for seed, time in enumerate(TIMES):
        surface = synthetic_surface(seed, longitude=30.0, step=0.03 * FARTHER, regions=2)
        errors = Errors(shift=(2.0, -1.0), delay=120.0, gain=1.3)
        twins = make_twins(surface, time, errors=errors, farther=FARTHER, seed=seed)
        mdi = twins.mdi[:: -1 if seed == 1 else 1]
        for name, data, header in (
            ("mdi.fd_M_96m_lev182", mdi, twins.mdi_header),
            ("hmi.M_720s", twins.hmi, twins.hmi_header),
        ):
            path = write_compressed(data, header, folder / "archive" / f"{name}.{seed}.fits")
            series[name].append(record_of(path))
    span = ["--start", "2010-08-01", "--end", "2011-05-01", "--wait", "0.01", "--email", "me@example.org"]
    with running(JsocServer(series)) as url:
        codes = [train(["fetch", *span, "--server", url, "-o", str(folder / "pairs")])]
    codes.append(train(["align", str(folder / "pairs"), "--no-pictures"]))
    return folder, codes


@pytest.fixture
def recipe(pairs):
    text = """
        output = "run"
        [data]
        root = "pairs/aligned/hmi"
        pairs = "pairs/mdi"
        pairs_only = true
        test_dates = ["2011-04-01", "2011-04-30"]
        least_mu = 0.5
        patch = 128
        [finetune]
        start = "mdi"
        pairs = "observed"
        scale = "input"
        steps = 2
        patch = 64
        batch_size = 2
        rank = 48
        decoder_rank = 8
        members = 2
        validate_every = 0
        """
    path = pairs[0] / "pairs.toml"
    path.write_text("\n".join(line.strip() for line in text.splitlines()))
    return path


def test_the_commands_say_what_was_refused(pairs, capsys):
    folder, codes = pairs
    assert codes == [0, 1]
    assert train(["align", str(folder / "pairs"), "--no-pictures"]) == 1
    said = capsys.readouterr()
    assert "2 of 3 pairs aligned" in said.out
    assert said.err.startswith("magsr-train: 20100908_173600")
    assert "alike" in said.err
    assert len(list((folder / "pairs" / "aligned" / "hmi").rglob("*.fits"))) == 2
    assert train(["align", str(folder)]) == 2
    assert "folder must be one that `magsr-train fetch` made" in capsys.readouterr().err


def test_pairs_are_trained_on_and_the_test_is_not(pairs, recipe):
    folder, _ = pairs
    assert train(["prepare", str(recipe)]) == 0
    store = PatchStore(folder / "run" / "patches")
    assert [row["date"][:7] for row in store.fields] == ["2010-08"]
    assert store.fields["gain"][0] == pytest.approx(1.3, rel=0.01)
    assert load_config(recipe).finetune.scale == "input"
    assert train(["finetune", str(recipe)]) == 0
    trained = load_file(folder / "run" / "adapter" / "denoiser" / "adapter_model.safetensors")
    bundled = load_file(
        bundled_folder("default") / "adapters" / "mdi" / "adapter" / "denoiser" / "adapter_model.safetensors"
    )
    moved = [float((trained[name] - bundled[name].float()).abs().max()) for name in bundled]
    assert 0 < max(moved) < 0.02, "it went on from the bundled adapter"


def test_true_pairs_are_judged_on_both_scales(pairs):
    folder, _ = pairs
    paths = [next((folder / "pairs" / place / "2011/04").glob("*.fits")) for place in ("mdi", "aligned/hmi")]
    region = paired_region(*map(read_fits, paths), name="twin")
    assert region.gain == pytest.approx(1.3, rel=0.01)
    region = window_of(region, slice(100, 148), slice(100, 148))
    numbers = evaluate([region], ["bicubic"]).numbers["bicubic"]["twin"]
    # on HMI's scale by 0.655 to 0.755, instead of 1 / 1.3
    ratio = numbers["input_scale_rmse"] / numbers["rmse_mean"]
    assert 1.0 < ratio < 1.5
    assert numbers["flux_50"] < numbers["input_scale_flux_50"]
    assert numbers["input_scale_crps"] == pytest.approx(numbers["input_scale_rmse"], rel=0.5)
