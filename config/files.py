"""Reading the small files that hold one value each: secrets, and what `${file:PATH}` names."""

from pathlib import Path


def read_value(path: Path) -> str:
    """The text of a file without its final newline; raises ValueError with a sentence that does not name the file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise ValueError("cannot be read: no file has such a name") from None
    try:
        return content.decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
