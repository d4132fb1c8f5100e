"""The demo's verdict: it is not content with less than everything, once and in order."""

import pytest

from bridge.cli.demo.report import OUTCOMES, Chapter, Findings, at_rest, counters, difference

EXPOSITION = """\
# HELP fedbridge_messages_received Messages received.
# TYPE fedbridge_messages_received counter
fedbridge_messages_received_total{route="a"} 20.0
fedbridge_messages_received_total{route="b"} 3.0
# HELP fedbridge_messages Messages by outcome.
# TYPE fedbridge_messages counter
fedbridge_messages_total{route="a",outcome="delivered"} 20.0
fedbridge_messages_total{route="b",outcome="delivered"} 1.0
fedbridge_messages_total{route="b",outcome="returned"} 2.0
# HELP fedbridge_sink_messages Messages by sink.
# TYPE fedbridge_sink_messages counter
fedbridge_sink_messages_total{route="a",sink="kafka",outcome="delivered"} 20.0
"""


@pytest.mark.parametrize(
    ("sent", "got", "said"),
    [
        ("abc", "abc", None),
        ("", "", None),
        ("aab", "aab", None),
        ("abc", "ac", "1 missing (b)"),
        ("abc", "", "3 missing (a, b, c)"),
        ("abc", "abcx", "1 not sent (x)"),
        ("abc", "abbc", "1 more than once"),
        ("abc", "acb", "in another order"),
        ("abc", "aacb", "1 more than once, in another order"),
        ("abcdefg", "g", "6 missing (a, b, c, d, e, …)"),
        ("aab", "ab", "fewer of the same than were sent"),
    ],
)
def test_difference(sent: str, got: str, said: str | None) -> None:
    assert difference(list(sent), list(got)) == said


def test_a_chapter_names_the_place_that_lacks_something() -> None:
    chapter = Chapter("relayed", ["a", "b"], {"InventoryService": ["a", "b"], "Kafka": ["a"]})
    assert chapter.problems() == ["relayed: Kafka: 1 missing (b)"]


def test_counters_sum_over_routes_and_leave_sinks_out() -> None:
    counts = counters(EXPOSITION)
    assert counts == {"received": 23, "delivered": 21, "dead": 0, "dropped": 0, "filtered": 0, "returned": 2}
    assert at_rest(counts, 21)
    assert not at_rest(counts, 20)
    assert not at_rest({**counts, "received": 24}, 21)


def test_findings_name_what_is_missing_and_the_run_that_does_not_add_up() -> None:
    good = dict.fromkeys(OUTCOMES, 0) | {"received": 2, "delivered": 2}
    chapters = [Chapter("relayed", ["a", "b"], {"MQTT": ["a", "b"]}), Chapter("back", ["c"], {"RabbitMQ": []})]
    assert Findings(chapters[:1], [("first run", good)]).problems() == []
    missing, unsettled = Findings(chapters, [("first run", good), ("second run", good | {"received": 3})]).problems()
    assert missing == "back: RabbitMQ: 1 missing (c)"
    assert unsettled.startswith("second run: the counters do not add up")
