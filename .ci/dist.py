"""Build what a release publishes into a folder, look into it and, if asked to, install it elsewhere and run it."""

import argparse
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

LIMIT = 20  # MB for each file, stated in docs/dev_guide/packaging.rst; PyPI takes 100
NEEDED = (
    "sunpy_magsr/__init__.pyi",
    "sunpy_magsr/py.typed",
    "sunpy_magsr/CITATION.rst",
    "sunpy_magsr/data/products.toml",
    "sunpy_magsr/data/samples/mdi_20110401.fits",
    "sunpy_magsr/data/models/default/denoiser/diffusion_pytorch_model.safetensors",
    "sunpy_magsr/data/models/default/adapters/mdi/card.json",
    "sunpy_magsr/data/models/enhance/card.json",
    "sunpy_magsr/training/recipes/default.toml",
)


def run(*command, **options):
    """Run a command and stop if it fails."""
    subprocess.run([str(part) for part in command], check=True, **options)


def build(folder):
    """Make wheel and source archive in an empty folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if left := sorted(folder.iterdir()):
        sys.exit(f"{folder} must be empty, and has {left[0].name}")
    run(sys.executable, "-m", "build", "--outdir", folder, Path(__file__).parents[1])
    run(sys.executable, "-m", "twine", "check", "--strict", *folder.iterdir())
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


def check(wheel, source):
    """Stop if a file is too large, misses what it needs, or has what it should not."""
    names = zipfile.ZipFile(wheel).namelist()
    with tarfile.open(source) as archive:
        sources = {name.partition("/")[2] for name in archive.getnames()}
    wrong = [f"{name} is not in the wheel" for name in NEEDED if name not in names]
    wrong += [f"{name} is not in the source archive" for name in (*NEEDED, "tests/conftest.py") if name not in sources]
    wrong += [f"{name} is in the wheel" for name in names if not name.startswith("sunpy_magsr")]
    for file in (wheel, source):
        size = file.stat().st_size / 1e6
        print(f"{file.name}: {size:.1f} MB")
        if size > LIMIT:
            wrong.append(f"{file.name} has {size:.1f} MB, more than {LIMIT}")
    if wrong:
        sys.exit("\n".join(wrong))


def run_elsewhere(wheel, first):
    """Install the wheel into a new environment outside the repository, after the packages in `first`, and run it."""
    with tempfile.TemporaryDirectory() as elsewhere:
        run(sys.executable, "-m", "venv", "venv", cwd=elsewhere)
        programs = Path(elsewhere) / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
        for wanted in (first, [wheel.resolve()]):
            if wanted:
                run(programs / "python", "-m", "pip", "install", "--quiet", *wanted)
        run(programs / "python", "-m", "pip", "check")
        run(programs / "magsr", "demo", cwd=elsewhere)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="an empty or new folder")
    parser.add_argument(
        "--install",
        nargs="*",
        metavar="REQUIREMENT",
        help="install the wheel elsewhere, after these, and run `magsr demo`",
    )
    arguments = parser.parse_args()
    files = build(arguments.folder)
    check(*files)
    if arguments.install is not None:
        run_elsewhere(files[0], arguments.install)
