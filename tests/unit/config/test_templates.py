"""The template grammar."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from config.patterns import FIELDS, Pattern
from config.templates import Template, TemplateField, misfit


def written(part: str | TemplateField) -> str:
    if isinstance(part, str):
        return part.replace("{", "{{").replace("}", "}}")
    name = part.name
    if part.header is not None:
        plain = not set('{}:"') & set(part.header)
        escaped = part.header.replace('"', '""')
        name = f"header.{part.header}" if plain else f'header."{escaped}"'
    name += "..." if part.several else ""
    return "{" + name + ("" if part.default is None else f":{part.default}") + "}"


defaults = st.none() | st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), max_size=8)
single = st.just(False)
fields = (
    st.builds(TemplateField, st.sampled_from([*FIELDS[:-1], "site", "device_1"]), st.none(), defaults, single)
    | st.builds(TemplateField, st.just("header"), st.text(min_size=1, max_size=8), defaults, single)
    | st.builds(TemplateField, st.sampled_from(["address", "site"]), st.none(), st.none(), st.just(True))
)


def joined(parts: list[str | TemplateField]) -> tuple[str | TemplateField, ...]:
    """Parts as the parser gives them: texts that touch are one."""
    out: list[str | TemplateField] = []
    for part in parts:
        if isinstance(part, str) and out and isinstance(out[-1], str):
            out[-1] += part
        else:
            out.append(part)
    return tuple(out)


@given(st.lists(st.text(min_size=1, max_size=8) | fields, max_size=6))
def test_what_is_written_is_read(parts: list[str | TemplateField]) -> None:
    text = "".join(written(part) for part in parts)
    template = Template.parse(text)
    assert template.parts == joined(parts)
    assert str(template) == template.text == text


@given(st.text(st.sampled_from('{}:."hkeyadr x\n') | st.characters(), max_size=40))
@example('{header."')
@example('{header.""}')
def test_any_text_parses_or_is_a_value_error(text: str) -> None:
    try:
        template = Template.parse(text)
    except ValueError:
        return
    assert Template.parse("".join(written(part) for part in template.parts)).parts == template.parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("orders", ("orders",)),
        ("{message_id}", (TemplateField("message_id"),)),
        ("{message_id:}", (TemplateField("message_id", None, ""),)),
        ("{key:a:b}", (TemplateField("key", None, "a:b"),)),
        ("o.{header.x-region:eu}.{{v1}}", ("o.", TemplateField("header", "x-region", "eu"), ".{v1}")),
        ('{header."a:b}""c":d}', (TemplateField("header", 'a:b}"c', "d"),)),
        ("{{{key}}}", ("{", TemplateField("key"), "}")),
        ("s/{site}/{device...}", ("s/", TemplateField("site"), "/", TemplateField("device", several=True))),
        ("{address...}", (TemplateField("address", several=True),)),
        ("{header.x...}", (TemplateField("header", "x..."),)),
    ],
)
def test_the_forms(text: str, parts: tuple[str | TemplateField, ...]) -> None:
    assert Template.parse(text).parts == parts


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{Mesage_id}", "unknown field {Mesage_id} (did you mean {message_id}?)"),
        ("{topic...}", "{topic...} is not a list of segments; {address...} is, or a capture of match"),
        ("{device...:x}", "{device...} is always there and needs no default"),
        ("{address...:x}", "{address...} is always there and needs no default"),
        (
            "{}",
            "unknown field {} (known are routing_key, exchange, topic, stream, key, address, message_id, "
            "correlation_id, reply_to, content_type, timestamp and header.NAME)",
        ),
        ("{header}", "{header} needs the header's name: {header.NAME}"),
        ("a{key", "character 2 of the template is a { that is never closed; a brace itself is written {{"),
        ("a}", "character 2 of the template is a } without its {; a brace itself is written }}"),
        (
            '{header."a}',
            'what begins at character 1 of the template is not {field}, {field:default} or {header."NAME"}',
        ),
    ],
)
def test_what_is_wrong_is_said(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(error)}$"):
        Template.parse(text)


def test_a_field_of_a_model_is_a_string() -> None:
    class Model(BaseModel):
        topic: Template

    assert Model(topic=Template.parse("{key}")).topic == Model.model_validate({"topic": "{key}"}).topic
    assert Model.model_json_schema()["properties"]["topic"]["type"] == "string"
    assert Model.model_validate({"topic": "{key}"}).model_dump(mode="json") == {"topic": "{key}"}
    with pytest.raises(ValidationError):
        Model.model_validate({"topic": 5})


@pytest.mark.parametrize(
    ("text", "match", "wrong"),
    [
        ("{address}", None, ""),
        ("{header.site}", None, ""),
        ("{site}/{device...}", "{site}.{device...}", ""),
        ("{mesage_id}", None, "unknown field {mesage_id} (did you mean {message_id}?)"),
        ("{sites}", "{site}.{device...}", "unknown field {sites} (did you mean {site}?)"),
        ("{devices...}", "{site}.{device...}", "unknown field {devices...} (did you mean {device...}?)"),
        ("{device}", "{site}.{device...}", "{device} is {device...} in match, so write {device...}"),
        ("{site...}", "{site}.{device...}", "{site...} is {site} in match, so write {site}"),
        ("{site:x}", "{site}.{device...}", "{site} is always there and needs no default"),
    ],
)
def test_captures_are_those_of_the_source(text: str, match: str | None, wrong: str) -> None:
    pattern = None if match is None else Pattern.parse(match, "amqp")
    assert [said for field in Template.parse(text).fields if (said := misfit(field, pattern))] == [wrong][: bool(wrong)]
