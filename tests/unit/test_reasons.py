"""Every reason that the code gives for a message is in a table of docs/mapping.md, and the tables have no other."""

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACES = {
    "Outcome": 1,
    "Refusal": 1,
    "Unmappable": 1,
    "Undecodable": 2,
    "_undecodable": 1,
    "Malformed": 0,
    "Corrupt": 0,
}
"""Which argument of a call is a reason."""
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def trees() -> tuple[ast.Module, ...]:
    """The modules of the bridge; memory.py is for tests."""
    files = [file for part in ("bridge", "connectors") for file in sorted((ROOT / part).rglob("*.py"))]
    return tuple(ast.parse(file.read_text()) for file in files if file.name != "memory.py")


def texts(node: ast.expr) -> set[str]:
    """The texts that an expression may be, by a condition."""
    if isinstance(node, ast.IfExp):
        return texts(node.body) | texts(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def named(scope: Sequence[ast.AST]) -> Iterator[tuple[str, set[str]]]:
    """The names that are given to texts."""
    for node in scope:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    yield target.id, texts(node.value)


def places(scope: Sequence[ast.AST]) -> Iterator[ast.expr]:
    """The expressions that stand where a reason has its place."""
    for node in scope:
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name == "Meaning" and texts(node.args[0]) != {"group"}:  # which is no answer to a message
                yield node.args[1]
            elif len(node.args) > PLACES.get(name, len(node.args)):
                yield node.args[PLACES[name]]
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and ast.unparse(node.elts[0]).startswith("Verdict."):
            yield node.elts[1]


@cache
def found() -> frozenset[str]:
    """Every reason in the code: a text, or a name for one in its function, its module or another module."""
    shared = dict(each for tree in trees() for each in named(tree.body) if each[1])
    reasons: set[str] = set()
    for tree in trees():
        module = shared | dict(named(tree.body))
        functions = [list(ast.walk(node)) for node in ast.walk(tree) if isinstance(node, FUNCTION)]
        for scope, known in (
            (list(ast.walk(tree)), module),
            *((each, module | dict(named(each))) for each in functions),
        ):
            for place in places(scope):
                reasons |= known.get(place.id, set()) if isinstance(place, ast.Name) else texts(place)
    return frozenset(reasons)


def told() -> set[str]:
    """Every reason in the tables of docs/mapping.md, of which each row begins with some."""
    section = (ROOT / "docs" / "mapping.md").read_text().partition("\n## Reasons\n")[2].partition("\n## ")[0]
    rows = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    return {reason for row in rows for reason in re.findall(r"`(\w+)`", row)}


def test_the_reasons_of_the_code_are_found_however_they_are_written() -> None:
    ways = {
        "too_many_topics": "a text",
        "filter": "in an Outcome that is a constant",
        "loop": "a constant of the module",
        "missing_exchange": "a constant of another module",
        "too_large": "one of two, by a condition",
        "payload_format": "a pair in MQTT's table",
        "wrong_type": "in Redis's table",
        "invalid_timestamp": "in Kafka's table",
        "bad_header_table": "in an exception of AMQP's decoder",
        "bad_crc": "in an exception of Kafka's decoder",
    }
    assert ways.keys() <= found()


def test_every_reason_is_in_the_documentation() -> None:
    assert sorted(found() - told()) == []
    assert sorted(told() - found()) == []
