from bridge.addresses import mismatches
from bridge.errors import Unmappable
from bridge.mapping import Refusal, Rules, map_batch
from bridge.message import Delivery, Message, Outcome, Undecodable, Verdict
from bridge.rules import compile_rules
from config.mapping import MapSettings
from config.patterns import Pattern

GOOD = Message(b"body", "uid", "key", "exchange")
BAD = Undecodable(b"raw", b"body", "too_deep", "byte 7", "key", "exchange")


def test_messages_pass_as_they_are() -> None:
    messages, refusals = map_batch([Delivery(GOOD, 1, 4), Delivery(GOOD, 2, 4)])
    assert messages == [GOOD, GOOD]
    assert messages[0] is GOOD
    assert refusals == []


def test_what_cannot_be_decoded_is_refused_at_its_position_and_its_neighbours_pass() -> None:
    messages, refusals = map_batch([Delivery(GOOD, 1, 4), Delivery(BAD, 2, 4), Delivery(GOOD, 3, 4)])
    assert refusals == [Refusal(1, Outcome(Verdict.REJECTED, "too_deep", "byte 7"))]
    assert messages == [GOOD, Message(b"body", "", "key", "exchange"), GOOD]


def test_what_is_not_wanted_is_filtered_and_what_cannot_be_mapped_refused_each_at_its_position() -> None:
    def wanted(message: Message) -> bool:
        if message.uid == "unclear":
            raise Unmappable("cannot say", "bad_filter")
        return message.uid != "unwanted"

    def changed(message: Message) -> Message:
        if message.uid == "poor":
            raise Unmappable("lacks it", "missing_field")
        return message._replace(key=b"new")

    others = [Message(b"body", uid) for uid in ("unwanted", "poor", "unclear")]
    given: list[Message | Undecodable] = [GOOD, others[0], BAD, others[1], GOOD, others[2]]
    messages, refusals = map_batch([Delivery(each, 1, 4) for each in given], Rules(wanted, changed))
    assert refusals == [
        Refusal(1, Outcome(Verdict.FILTERED, "filter")),
        Refusal(2, Outcome(Verdict.REJECTED, "too_deep", "byte 7")),
        Refusal(3, Outcome(Verdict.REJECTED, "missing_field", "lacks it")),
        Refusal(5, Outcome(Verdict.REJECTED, "bad_filter", "cannot say")),
    ]
    new = GOOD._replace(key=b"new")
    assert messages == [new, others[0], Message(b"body", "", "key", "exchange"), others[1], new, others[2]]


def test_a_filter_alone_changes_nothing_and_sees_the_message_as_it_came() -> None:
    seen: list[Message] = []

    def wanted(message: Message) -> bool:
        seen.append(message)
        return True

    messages, refusals = map_batch([Delivery(GOOD, 1, 4)], Rules(wanted, None))
    assert (messages[0], refusals) == (GOOD, [])
    assert messages[0] is GOOD
    map_batch([Delivery(GOOD, 1, 4)], Rules(wanted, lambda message: message._replace(key=b"new")))
    assert seen == [GOOD, GOOD]


def test_text_that_no_bytes_stand_for_is_refused() -> None:
    rules = compile_rules(MapSettings.model_validate({"set": {"key": "{header.a}"}}))
    bad = GOOD._replace(headers=(("a", "string", "\ud83d"),))
    _, refusals = map_batch([Delivery(bad, 1, 4)], Rules(None, rules))
    assert refusals == [Refusal(0, Outcome(Verdict.REJECTED, "unencodable", r"not text that has bytes: '\ud83d'"))]


def test_an_address_that_does_not_match_is_refused_at_its_position() -> None:
    other, bad = GOOD._replace(address="x.key"), BAD._replace(address="x.y")
    given: list[Message | Undecodable] = [other, GOOD, bad, BAD, GOOD, other]
    deliveries = [Delivery(message, at, 4) for at, message in enumerate(given)]
    messages, refusals = map_batch(deliveries, Rules(mismatch=mismatches(Pattern.parse("{only}", "amqp"))))
    assert [(refusal.position, refusal.outcome.reason) for refusal in refusals] == [
        (0, "no_match"),
        (2, "too_deep"),
        (3, "too_deep"),
        (5, "no_match"),
    ]
    assert refusals[0].outcome == Outcome(Verdict.REJECTED, "no_match", "address 'x.key' does not match {only}")
    assert messages[1] is GOOD
