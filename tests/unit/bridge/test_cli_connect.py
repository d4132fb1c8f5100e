"""What `fedbridge check --connect` says of what was found at the brokers: of each end, and of all together."""

from bridge.cli import Exit
from bridge.cli.connect import Surveyed, settled
from bridge.findings import Finding


def test_an_end_of_which_nothing_can_be_looked_up_says_so() -> None:
    brokers = {"routes.a.to.amqp[0]": "rabbit", "routes.a.to.amqp[1]": "away"}
    found = Surveyed(brokers, dict.fromkeys(brokers, ()), {"away": "refused"})
    assert list(found.lines("a")) == [
        "  at rabbit, for to.amqp[0]:",
        "    unknown    depends on the message, not looked up",
        "  at away, for to.amqp[1]:",
        "    away       refused",
    ]


def test_the_summary_says_once_what_is_missing_and_how_to_make_it() -> None:
    rights = ("$ grant it", "others are taken")
    queue = Finding("missing", "there is no queue q", ("$ make q", "or let the route make it"))
    findings = {
        "routes.a.from.amqp": [Finding("ok", "exchange e is there"), queue],
        "routes.a.to.amqp": [Finding("forbidden", "user u may not write to e", rights)],
        "routes.b.from.amqp": [queue, Finding("forbidden", "user u may not read q", rights)],
        "routes.b.to.amqp": [Finding("conflict", "e is a topic exchange", ("write topic",)), Finding("unknown", "?")],
        "routes.c.to.kafka": [],
    }
    brokers = {key: "kafka" if "kafka" in key else "rabbit" for key in findings}
    assert list(Surveyed(brokers, findings, {"kafka": "nobody answers"}).summary()) == [
        "5 things keep routes from working:",
        "  missing    routes.a.from.amqp, routes.b.from.amqp: there is no queue q",
        "  forbidden  routes.a.to.amqp: user u may not write to e",
        "  forbidden  routes.b.from.amqp: user u may not read q",
        "  conflict   routes.b.to.amqp: e is a topic exchange",
        "  away       kafka: nobody answers",
        "What helps:",
        "  $ make q",
        "  $ grant it",
        "  others are taken",
        "  write topic",
    ]
    assert list(Surveyed(brokers, {}, {"kafka": "nobody answers"}).summary()) == [
        "1 thing keeps routes from working:",
        "  away       kafka: nobody answers",
    ]


def test_the_summary_is_one_line_when_all_is_well() -> None:
    brokers = {"routes.a.from.amqp": "rabbit", "routes.a.to.kafka": "kafka", "routes.b.to.amqp": "rabbit"}
    well = {"routes.a.from.amqp": [Finding("ok", "is there"), Finding("created", "will be created")]}
    assert list(Surveyed(brokers, well, {}).summary()) == [
        "All is well: nothing that the enabled routes need is missing at rabbit, kafka."
    ]
    assert list(Surveyed({}, {}, {}).summary()) == ["No route is enabled, so nothing was looked up."]


def test_what_another_route_makes_is_not_missing_at_that_broker() -> None:
    missing = Finding("missing", "there is no topic t", ("$ make t",), "topic t")
    other = Finding("missing", "nothing matches t.*", ("make one",))
    findings = {
        "routes.a.from.kafka": [missing, other],
        "routes.b.to.kafka[0]": [Finding("created", "topic t will be created", thing="topic t")],
        "routes.c.from.kafka": [missing],
    }
    brokers = {"routes.a.from.kafka": "k1", "routes.b.to.kafka[0]": "k1", "routes.c.from.kafka": "k2"}
    made = Finding("created", "topic t is not there yet and will be created by route b", thing="topic t")
    assert settled(brokers, findings) == findings | {"routes.a.from.kafka": [made, other]}
    one = {key: found[:1] for key, found in findings.items() if key != "routes.c.from.kafka"}
    assert Surveyed(brokers, settled(brokers, one), {}).exit is Exit.OK
    assert Surveyed(brokers, one, {}).exit is Exit.NEGATIVE
