"""Which statements of a project can run where there is a GPU only, as its source says.

A statement is one of them where it stands under a test for a GPU, or behind one that leaves without; in a function or a
class that is referred to from such places alone; and what is so found counts for what it refers to in turn.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Last words of what is true with a GPU, and of what is true without.
WITH, WITHOUT = ("cuda", "gpu", "accelerator"), ("cpu", "host")
#: What is None without a GPU.
DRIVER = "nvml"
ENDS = (ast.Return, ast.Raise, ast.Continue, ast.Break)
Definition = ast.FunctionDef | ast.ClassDef


def statements(sources: Mapping[Path, str]) -> dict[Path, set[int]]:
    """First lines of the statements that need a GPU, by file."""
    trees = {path: ast.parse(text) for path, text in sources.items()}
    known: set[str] = set()
    while True:
        finder = _Finder(known)
        for path, tree in trees.items():
            finder.look_at(path, tree)
        if finder.needing() <= known:
            return dict(finder.lines)
        known |= finder.needing()


def tells(test: ast.expr) -> bool | None:
    """Whether a test holds only with a GPU (True), fails only with one (False), or neither."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = tells(test.operand)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        wanted = isinstance(test.op, ast.And)
        return wanted if wanted in map(tells, test.values) else None
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return _compares(test.left, test.ops[0], test.comparators[0])
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute) and test.func.attr == "is_available":
        return tells(test.func.value)
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Name) and test.func.id in ("all", "any"):
        each = test.args[0]
        return tells(each.elt) if isinstance(each, ast.GeneratorExp) else None
    words = _last(test).strip("_").split("_")
    return True if words[-1] in WITH else (False if words[-1] in WITHOUT and words[0] in ("on", "is") else None)


def _compares(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> bool | None:
    value = right.value if isinstance(right, ast.Constant) else ...
    same = isinstance(operator, ast.Eq | ast.Is)
    if not same and not isinstance(operator, ast.NotEq | ast.IsNot):
        return None
    if value is None and DRIVER in _last(left):
        return not same
    if value in WITH or value in WITHOUT:
        return same == (value in WITH)
    return None


def _last(node: ast.expr) -> str:
    """The last name of a dotted one."""
    return node.attr if isinstance(node, ast.Attribute) else (node.id if isinstance(node, ast.Name) else "")


@dataclass
class _Finder:
    """One pass over all sources.

    Attributes:
        known: functions and classes that need a GPU, as far as earlier passes found.
    """

    known: set[str]
    lines: dict[Path, set[int]] = field(default_factory=lambda: defaultdict(set))
    _defined: set[str] = field(default_factory=set)
    _referred: dict[str, set[bool]] = field(default_factory=lambda: defaultdict(set))
    _path: Path = Path()

    def look_at(self, path: Path, tree: ast.Module) -> None:
        self._path = path
        self._block(tree.body, False)

    def needing(self) -> set[str]:
        """Functions and classes that are referred to from where a GPU is needed, and from nowhere else."""
        return {name for name in self._defined if self._referred[name] == {True}}

    def _block(self, body: Sequence[ast.stmt], gpu: bool) -> None:
        for statement in body:
            if gpu and not _is_docstring(statement):
                self.lines[self._path].add(statement.lineno)
            self._statement(statement, gpu)
            if isinstance(statement, ast.If) and isinstance(statement.body[-1], ENDS) and not statement.orelse:
                gpu = gpu or tells(statement.test) is False

    def _statement(self, node: ast.stmt, gpu: bool) -> None:
        if isinstance(node, Definition):
            self._defined.add(node.name)
            for part in (*node.decorator_list, *_used_by(node)):
                self._expression(part, gpu)
            self._block(node.body, gpu or (node.name in self.known))
        elif isinstance(node, ast.If):
            told = tells(node.test)
            self._expression(node.test, gpu)
            self._block(node.body, gpu or told is True)
            self._block(node.orelse, gpu or told is False)
        elif not isinstance(node, ast.Import | ast.ImportFrom):
            for _, value in ast.iter_fields(node):
                self._field(value, gpu)

    def _field(self, value: object, gpu: bool) -> None:
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            self._block(value, gpu)
        elif isinstance(value, list):
            for item in value:
                self._field(item, gpu)
        elif isinstance(value, ast.expr):
            self._expression(value, gpu)
        elif isinstance(value, ast.AST):
            for _, inner in ast.iter_fields(value):
                self._field(inner, gpu)

    def _expression(self, node: ast.expr, gpu: bool) -> None:
        if isinstance(node, ast.IfExp):
            told = tells(node.test)
            self._expression(node.test, gpu)
            self._expression(node.body, gpu or told is True)
            self._expression(node.orelse, gpu or told is False)
            return
        if isinstance(node, ast.BoolOp):
            for value in node.values:
                self._expression(value, gpu)
                gpu = gpu or tells(value) is isinstance(node.op, ast.And)
            return
        if isinstance(node, ast.Name | ast.Attribute):
            self._referred[_last(node)].add(gpu)
        for _, value in ast.iter_fields(node):
            self._field(value, gpu)


def _used_by(node: Definition) -> Iterator[ast.expr]:
    """What a definition itself uses; a type that an annotation names is not used."""
    yield from (node.args.defaults if isinstance(node, ast.FunctionDef) else node.bases)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
