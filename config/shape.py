"""What the models allow at a path: the keys of a table, and whether a value is a table or a list."""

from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from config import arguments
from config.settings import Settings

Shape = Any
"""A type annotation of a model's field, or a model."""

_BOOLEAN = TypeAdapter(bool)


def shapes_at(path: Sequence[str | int], root: Shape = Settings) -> list[Shape]:
    """The types that may stand at a path from `root`; empty if nothing can be there."""
    shapes: list[Shape] = [root]
    for part in path:
        shapes = [inner for shape in shapes for inner in _step(shape, part)]
    return shapes


def keys_at(path: Sequence[str | int], root: Shape = Settings) -> list[str]:
    """The keys a table at a path from `root` may have; empty where it is no table or its keys are names."""
    models = [shape for shape in shapes_at(path, root) if _is_model(shape)]
    return [field.alias or name for model in models for name, field in model.model_fields.items()]


def is_composite(path: Sequence[str | int]) -> bool:
    """Whether a table or a list may stand at a path, so that JSON may be written for it in the environment."""
    return any(_is_composite(shape) for shape in shapes_at(path))


def is_scalar(path: Sequence[str | int]) -> bool:
    """Whether a single value may stand at a path."""
    return any(shape is not NoneType and not _is_composite(shape) for shape in shapes_at(path))


def meant(text: str, path: Sequence[str | int]) -> Any:
    """What text from outside a file stands for at a path: a boolean or the number of a queue's argument, else text.

    Other numbers are read by the models, which take text for them.
    """
    if path[-2:-1] == ("arguments",):
        return arguments.meant(str(path[-1]), text)
    if [shape for shape in shapes_at(path) if shape is not NoneType] != [bool]:
        return text
    try:
        return _BOOLEAN.validate_strings(text)
    except ValidationError:
        return text


def _is_composite(shape: Shape) -> bool:
    return _is_model(shape) or _origin(shape) in (dict, list)


def _step(shape: Shape, part: str | int) -> list[Shape]:
    if _is_model(shape):
        return [
            m
            for name, field in shape.model_fields.items()
            if part == (field.alias or name)
            for m in _members(field.annotation)
        ]
    if _origin(shape) is dict and isinstance(part, str):
        return _members(get_args(shape)[1])
    if _origin(shape) is list and isinstance(part, int):
        return _members(get_args(shape)[0])
    return []


def _members(annotation: Shape) -> list[Shape]:
    """The members of a union, without their Annotated wrappings."""
    if _origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if _origin(annotation) in (Union, UnionType):
        return [inner for member in get_args(annotation) for inner in _members(member)]
    return [annotation]


def _is_model(shape: Shape) -> bool:
    return isinstance(shape, type) and issubclass(shape, BaseModel)


def _origin(shape: Shape) -> object:
    return get_origin(shape)
