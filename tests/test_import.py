"""Importing the package is cheap."""

import subprocess
import sys


def modules_after(statement):
    code = f"{statement}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_does_not_load_torch():
    loaded = modules_after("import sunpy_magsr")
    assert not {"torch", "diffusers", "peft", "sunpy.map", "matplotlib"} & loaded


def test_front_door_and_metrics_do_not_load_torch():
    assert "torch" not in modules_after(
        "import sunpy_magsr.metrics; sunpy_magsr.superresolve; sunpy_magsr.list_models()"
    )


def test_version():
    import sunpy_magsr

    assert sunpy_magsr.__version__
    assert {"superresolve", "superresolve_ensemble", "list_models"} <= set(dir(sunpy_magsr))


def test_the_citation_is_bibtex():
    import sunpy_magsr

    assert sunpy_magsr.__citation__.startswith("@software{sunpy_magsr,")
    assert "10.1051/0004-6361/202453205" in sunpy_magsr.__citation__
