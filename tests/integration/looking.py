"""What the tests of `fedbridge check --connect` have in common."""

from pathlib import Path

from bridge.cli.connect import Surveyed, surveyed
from config import load

NOBODY = "127.0.0.1:1"
"""Where no broker is."""


async def look(folder: Path, toml: str) -> Surveyed:
    """Look at the brokers of a configuration."""
    file = folder / "fedbridge.toml"
    file.write_text(toml)
    return await surveyed(load(file, {}, folder / "no-secrets"))


def told(surveyed: Surveyed, key: str) -> list[tuple[str, str]]:
    """Verdict and text of every finding for an end."""
    return [(finding.verdict, finding.text) for finding in surveyed.findings[f"routes.{key}"]]


def remedies(surveyed: Surveyed, key: str) -> list[str]:
    """What may be done about them, line by line."""
    return [remedy for finding in surveyed.findings[f"routes.{key}"] for remedy in finding.remedies]
