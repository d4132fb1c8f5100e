"""What the models of the configuration have in common."""

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError


class Table(BaseModel):
    """A table of the file: frozen, and a key nobody knows is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_a_boolean(cls, value: object, info: ValidationInfo) -> object:
        """Refuse "no" and 1 for a boolean: TOML has its own, and text from outside of it was read before."""
        field = cls.model_fields[info.field_name or ""]
        if field.annotation in (bool, bool | None) and not isinstance(value, bool | None):
            raise PydanticCustomError("bool_type", "not true or false")
        return value


def one_or_list(value: object) -> str:
    """Choose between one and a list of it by the shape of the input, so that an error is told once, not for both."""
    return "<list>" if isinstance(value, list | tuple) else "<one>"
