"""The JSON schema of the TOML, made from the models: for `fedbridge schema`, and for editors by `#:schema`.

It says what a file may hold before `${NAME}` is expanded, as far as a schema can: whether a broker is declared, or a
template names a field that the source has, is `fedbridge check`'s to say.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from config.settings import Settings
from config.values import format_duration

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_KEYWORDS: Final = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum"}  # what pydantic leaves in its own words
_REFERENCE: Final = {"type": "string", "pattern": r"\$\{", "description": "${NAME}, ${NAME:default} or ${file:PATH}"}
_LINK: Final = {"$ref": "#/$defs/Reference"}
_PLAIN: Final = frozenset({"type", "default", "description", "writeOnly", "minLength"})


def schema() -> dict[str, Any]:
    """The schema of the whole configuration (JSON Schema 2020-12)."""
    made = _cleaned(Settings.model_json_schema(by_alias=True))
    definitions = {**made.pop("$defs"), "Reference": _REFERENCE}
    return {"$schema": _DIALECT, "title": "fedbridge", **made, "$defs": definitions}


def text() -> str:
    """The schema as it is kept in config/fedbridge.schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _cleaned(made: Mapping[str, Any]) -> dict[str, Any]:
    """One schema in the words of the standard, without titles and without null, which TOML does not have.

    A default of a table is that of its keys; one that is a float is a duration, since settings have no other floats.
    """
    kept: dict[str, Any] = {}
    for key, value in made.items():
        if key in ("title", "format") or (key == "default" and (value is None or isinstance(value, Mapping))):
            continue
        if key in ("properties", "$defs", "patternProperties"):
            kept[key] = {name: _or_reference(_cleaned(inner)) for name, inner in value.items()}
        elif key in ("anyOf", "oneOf"):
            kept["anyOf"] = [_cleaned(inner) for inner in value if inner != {"type": "null"}]
        elif isinstance(value, Mapping):
            kept[key] = _cleaned(value)
        elif key == "default" and isinstance(value, float):
            kept[key] = format_duration(value)
        else:
            kept[_KEYWORDS.get(key, key)] = value
    if "patternProperties" in kept:
        kept["additionalProperties"] = False
    if len(kept.get("anyOf", ())) == 1:
        (only,) = kept.pop("anyOf")
        kept = {**only, **kept}
    return kept


def _or_reference(made: dict[str, Any]) -> dict[str, Any]:
    """Allow `${…}` where a single value stands that is not any text."""
    if "$ref" in made or made.get("type") in ("object", "array", None):
        single = "anyOf" in made and all(part.get("type") not in ("object", "array", None) for part in made["anyOf"])
        return {**made, "anyOf": [*made["anyOf"], _LINK]} if single else made
    if made["type"] == "string" and made.keys() <= _PLAIN:
        return made
    outside: dict[str, Any] = {key: made[key] for key in ("default", "description") if key in made}
    return {**outside, "anyOf": [{key: value for key, value in made.items() if key not in outside}, _LINK]}
