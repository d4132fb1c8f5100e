"""What the models of the configuration have in common."""

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of the file: frozen, and a key nobody knows is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True)


def one_or_list(value: object) -> str:
    """Choose between one and a list of it by the shape of the input, so that an error is told once, not for both."""
    return "<list>" if isinstance(value, list | tuple) else "<one>"
