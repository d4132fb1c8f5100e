from bridge.addresses import mismatches
from bridge.mapping import Refusal, map_batch
from bridge.message import Delivery, Message, Outcome, Undecodable, Verdict
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


def test_an_address_that_does_not_match_is_refused_at_its_position() -> None:
    other, bad = GOOD._replace(address="x.key"), BAD._replace(address="x.y")
    given: list[Message | Undecodable] = [other, GOOD, bad, BAD, GOOD, other]
    deliveries = [Delivery(message, at, 4) for at, message in enumerate(given)]
    messages, refusals = map_batch(deliveries, mismatches(Pattern.parse("{only}", "amqp")))
    assert [(refusal.position, refusal.outcome.reason) for refusal in refusals] == [
        (0, "no_match"),
        (2, "too_deep"),
        (3, "too_deep"),
        (5, "no_match"),
    ]
    assert refusals[0].outcome == Outcome(Verdict.REJECTED, "no_match", "address 'x.key' does not match {only}")
    assert messages[1] is GOOD
