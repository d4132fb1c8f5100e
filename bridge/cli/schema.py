"""`fedbridge schema`: the JSON schema of the configuration, for editors."""

import typer

from config.schema import text


def schema() -> None:
    """Print the schema that is also in config/fedbridge.schema.json."""
    typer.echo(text(), nl=False)
