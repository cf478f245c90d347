"""What holds of the package as a whole: short modules, short functions, and no circle of imports."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import sunpy_magsr

ROOT = Path(sunpy_magsr.__file__).parent
MODULES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
    if path.name != "_version.py"
}


def imported(tree):
    """Modules of the package that a module needs to run, at its head or within its functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sunpy_magsr"):
            names = [f"{node.module}.{name.name}" for name in node.names]
            yield from (name if name in MODULES else node.module for name in names)
        yield from imported(node)


def test_imports_are_found_wherever_they_stand():
    code = "if TYPE_CHECKING:\n  from sunpy_magsr.io import a\ndef f():\n  from sunpy_magsr.prep import b"
    assert set(imported(ast.parse(code))) == {"sunpy_magsr.prep"}


def test_no_module_needs_itself():
    graph = {name: set(imported(ast.parse(path.read_text()))) - {name} for name, path in MODULES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_modules_and_functions_are_short():
    long = []
    for name, path in MODULES.items():
        lines = path.read_text().splitlines()
        long += [f"{name} has {len(lines)} lines"] if len(lines) > 300 else []
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                code = lines[body[0].lineno - 1 : node.end_lineno] if body else []
                code = [line for line in code if line.strip() and not line.strip().startswith("#")]
                long += [f"{name}.{node.name} has {len(code)} lines of code"] if len(code) > 40 else []
    assert not long
