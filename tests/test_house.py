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
    code = "if TYPE_CHECKING:\n  from sunpy_magsr.maps.fits import a\ndef f():\n  from sunpy_magsr.maps import b"
    assert set(imported(ast.parse(code))) == {"sunpy_magsr.maps"}


def test_no_module_needs_itself():
    graph = {name: set(imported(ast.parse(path.read_text()))) - {name} for name, path in MODULES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError


def lines_of_code(node, source):
    """Lines of a module or function that are neither blank, comment nor docstring."""
    left_out = set()
    for one in ast.walk(node):
        if isinstance(one, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(one) is not None:
            left_out |= set(range(one.body[0].lineno, one.body[0].end_lineno + 1))
    first, last = (1, len(source)) if isinstance(node, ast.Module) else (node.body[0].lineno, node.end_lineno)
    kept = (source[number - 1].strip() for number in range(first, last + 1) if number not in left_out)
    return sum(bool(line) and not line.startswith("#") for line in kept)


def test_modules_and_functions_are_short():
    """A module has at most 250 lines of code and the body of a function 40, docstrings and comments aside."""
    long = []
    for name, path in MODULES.items():
        source = path.read_text().splitlines()
        tree = ast.parse("\n".join(source))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        for node, what, limit in [(tree, name, 250), *((one, f"{name}.{one.name}", 40) for one in functions)]:
            count = lines_of_code(node, source)
            long += [f"{what} has {count} lines of code"] if count > limit else []
    assert not long
