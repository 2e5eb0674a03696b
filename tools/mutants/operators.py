"""The mutations: those of cosmic-ray that may leave a program running, and four of our own.

Left out are mutations that any test notices, or none can (a removed decorator, `+` to `>>`, types):
they would only raise the share of those that are noticed.
"""

from ast import literal_eval
from collections.abc import Iterator, Sequence
from typing import Any

import parso
from cosmic_ray import plugins

Position = tuple[tuple[int, int], tuple[int, int]]

_FAMILIES = {
    "ReplaceBinaryOperator": (
        "Add_Sub",
        "Sub_Add",
        "Mul_Add",
        "Div_Mul",
        "FloorDiv_Mul",
        "Mod_Add",
    ),
    "ReplaceComparisonOperator": (
        *("Eq_NotEq", "NotEq_Eq", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt"),
        *("Lt_GtE", "LtE_Gt", "Gt_LtE", "GtE_Lt", "Is_IsNot", "IsNot_Is"),
    ),
    "ReplaceUnaryOperator": ("Delete_Not", "USub_UAdd"),
}
_SINGLE = (
    *("AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr"),
    *("ReplaceOrWithAnd", "ReplaceBreakWithContinue", "ReplaceContinueWithBreak"),
    *("ExceptionReplacer", "ZeroIterationForLoop"),
)
_MEMBERSHIP = {"in": "not in", "not in": "in"}
_EXTREMES = {"min": "max", "max": "min"}
_LEAVES = frozenset({"return", "continue", "break"})
_REMOVABLE = frozenset({"return_stmt", "raise_stmt", "atom_expr"})
_LOGS = ("log.", "self._log.")


class RemoveStatement:
    """Replace a statement of a function with `pass`. What declares a plain name or, in `__init__`,
    an attribute stays, since any test notices that it is missing; so do log messages."""

    @classmethod
    def arguments(cls) -> Sequence[Any]:
        """Take no arguments."""
        return ()

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        """Yield the position of a statement that can be removed."""
        if node.type == "simple_stmt" and _in_function(node) and _is_removable(node.children[0]):
            yield node.children[0].start_pos, node.children[0].end_pos

    def mutate(self, node: Any, _index: int) -> Any:
        """Replace the statement."""
        node.children[0] = _in_place_of(node.children[0], "pass")
        return node


class NegateMembership:
    """Replace `in` with `not in`, and the reverse."""

    @classmethod
    def arguments(cls) -> Sequence[Any]:
        """Take no arguments."""
        return ()

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        """Yield the positions of membership tests."""
        for place in self._places(node):
            yield node.children[place].start_pos, node.children[place].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Negate one membership test."""
        place = self._places(node)[index]
        old = node.children[place]
        node.children[place] = _in_place_of(old, _MEMBERSHIP[_text(old)])
        return node

    @staticmethod
    def _places(node: Any) -> list[int]:
        if node.type != "comparison":
            return []
        return [i for i, child in enumerate(node.children) if i % 2 and _text(child) in _MEMBERSHIP]


class SwapMinMax:
    """Replace calls of `min` with `max`, and the reverse."""

    @classmethod
    def arguments(cls) -> Sequence[Any]:
        """Take no arguments."""
        return ()

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        """Yield the position of a call's name."""
        if node.type == "name" and node.value in _EXTREMES and _text(node.get_next_leaf()) == "(":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, _index: int) -> Any:
        """Replace the name."""
        node.value = _EXTREMES[node.value]
        return node


class ReplaceNumber:
    """Replace a number below 10 with the next, and a larger one (often a limit) with half of it."""

    @classmethod
    def arguments(cls) -> Sequence[Any]:
        """Take no arguments."""
        return ()

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        """Yield the position of a number."""
        if node.type == "number":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, _index: int) -> Any:
        """Replace the number."""
        number = literal_eval(node.value)
        node.value = repr(number + 1 if number < 10 else number // 2)
        return node


OWN = {
    each.__name__: each for each in (RemoveStatement, NegateMembership, SwapMinMax, ReplaceNumber)
}


def register() -> None:
    """Make our operators known to cosmic-ray, as `own/NAME`."""
    plugins.OPERATOR_PROVIDERS["own"] = OWN


def operator_names() -> Iterator[str]:
    """Yield the names of the operators, always in the same order."""
    for family, pairs in _FAMILIES.items():
        yield from (f"core/{family}_{pair}" for pair in pairs)
    yield from (f"core/{name}" for name in _SINGLE)
    yield from (f"own/{name}" for name in OWN)


def is_declared(node: Any) -> bool:
    """Return whether a node belongs to a decorator, or is the `*` before keyword arguments."""
    if node.parent is not None and node.parent.type in {"parameters", "param"}:
        return _text(node).startswith("*")
    while node is not None and node.type != "decorator":
        node = node.parent
    return node is not None


def _in_function(node: Any) -> bool:
    scope = _scope(node)
    return scope is not None and scope.type == "funcdef"


def _scope(node: Any) -> Any:
    """Return the function or class that a node is in; None: at the top of the module."""
    scope = node.parent
    while scope is not None and scope.type not in {"funcdef", "classdef"}:
        scope = scope.parent
    return scope


def _is_removable(statement: Any) -> bool:
    if statement.type == "expr_stmt":
        if _text(statement.children[1]).endswith("=") and _text(statement.children[1]) != "=":
            return True
        is_plain = statement.children[0].type == "name"
        return not is_plain and str(_scope(statement).name.value) != "__init__"
    text = _text(statement)
    return text in _LEAVES or (statement.type in _REMOVABLE and not text.startswith(_LOGS))


def _text(node: Any) -> str:
    return " ".join(node.get_code().split())


def _in_place_of(old: Any, text: str) -> Any:
    """Return a node for `text`, with the white space before the old one."""
    return parso.parse((old.get_first_leaf().prefix or "") + text)
