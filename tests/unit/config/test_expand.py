"""`${…}` in string values."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config.expand import expand, expand_all

ENVIRON = {"NAME": "value", "EMPTY": "", "DOLLARS": "$${NAME}"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("a${NAME}b${NAME}", "avaluebvalue"),
        ("${EMPTY:default}", ""),
        ("${NOPE:default: with colon}", "default: with colon"),
        ("${NOPE:}", ""),
        ("$$", "$"),
        ("$${NAME}", "${NAME}"),
        ("$$${NAME}", "$value"),
        ("a$b$", "a$b$"),
        ("${DOLLARS}", "$${NAME}"),
    ],
)
def test_the_forms(text: str, expanded: str) -> None:
    assert expand(text, ENVIRON) == expanded


@pytest.mark.parametrize("text", ["${NOPE}", "${", "${}", "${NAME", "${a b}", "${file}", "${file:/nowhere/at/all}"])
def test_what_cannot_be_replaced_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        expand(text, ENVIRON)


def test_a_file_loses_its_final_newline_only(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(" a\n\n")
    assert expand(f"<${{file:{tmp_path}/secret}}>", {}) == "< a\n>"
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(ValueError, match="is not UTF-8 text"):
        expand(f"${{file:{tmp_path}/binary}}", {})
    with pytest.raises(ValueError, match="no file has such a name"):
        expand("${file:\0}", {})


@given(st.text())
def test_doubled_dollars_stand_for_themselves(text: str) -> None:
    assert expand(text.replace("$", "$$"), {}) == text


@given(st.text(st.sampled_from("${}:NAME") | st.characters(), max_size=30))
@example("${file:\0}")
def test_any_text_expands_or_is_a_value_error(text: str) -> None:
    try:
        expand(text, ENVIRON)
    except ValueError:
        pass
    else:
        assert "$" in text or expand(text, ENVIRON) == text


def test_a_document_is_expanded_whole_and_every_error_reported() -> None:
    found: list[tuple[tuple[str | int, ...], str]] = []
    data = {"a": ["${NAME}", {"b": "${NOPE}", "c": 5}], "d": "${", "${NAME}": True}
    expanded = expand_all(data, ENVIRON, lambda path, text: found.append((path, text)))
    assert expanded == {"a": ["value", {"b": "${NOPE}", "c": 5}], "d": "${", "${NAME}": True}
    assert [path for path, _ in found] == [("a", 1, "b"), ("d",)]
