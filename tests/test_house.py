"""What holds of the package as a whole: short modules, short functions, and imports that go down."""

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


#: From top to bottom; a room needs itself and those below it, for types too.
LAYERS = [
    "cli",
    "training",
    "archive",
    "validation",
    "pairs",
    "inference",
    "uncertainty",
    "sampling",
    "store",
    "models",
    "spectral",
    "metrics",
    "data",
    "instrument",
    "maps",
    "_options",
    "_files",
    "exceptions",
    "version",
    "_version",
]


def imported(tree):
    """Find the modules of the package that a module names, at its head, within its functions or for types."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sunpy_magsr"):
            names = [f"{node.module}.{name.name}" for name in node.names]
            yield from (name if name in MODULES else node.module for name in names)


def test_imports_are_found_wherever_they_stand():
    code = "if TYPE_CHECKING:\n  from sunpy_magsr.io import a\ndef f():\n  from sunpy_magsr.maps import b"
    assert set(imported(ast.parse(code))) == {"sunpy_magsr.io", "sunpy_magsr.maps"}


def test_imports_go_down_and_never_in_a_circle():
    graph = {name: set(imported(ast.parse(path.read_text()))) - {name} for name, path in MODULES.items()}
    graph = {name: {other for other in needed if not name.startswith(f"{other}.")} for name, needed in graph.items()}
    rank = {room: number for number, room in enumerate(LAYERS)}
    upward = [
        f"{name} needs {other}"
        for name, needed in graph.items()
        for other in needed
        if (room := name.split(".")[1:2])
        and (above := other.split(".")[1:2])
        and room != ["io"]
        and rank[above[0]] < rank[room[0]]
    ]
    assert not upward, "\n".join(sorted(upward))
    faces = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    TopologicalSorter({name: needed - faces for name, needed in graph.items() if name not in faces}).prepare()


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
