"""What is in hand of a stream, against a model that keeps every entry by itself."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from connectors.redis.ledger import Ledger, Receipt, Window

ids = st.lists(st.sampled_from([b"1-%d" % number for number in range(20)]), unique=True, max_size=8)


class Model(RuleBasedStateMachine):
    """Two ledgers of one window, of which the first is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.window = Window()
        self.ledger = Ledger("größe", self.window)
        self.other = Ledger("other", self.window)
        self.other.take([b"9-9"], [1000])
        self.open: dict[bytes, int] = {}
        self.settled: dict[bytes, int] = {}

    @rule(entries=ids)
    def read(self, entries: list[bytes]) -> None:
        known = [*self.open, *self.settled]
        assert self.ledger.has_none(entries) == (not set(entries) & set(known))
        new = [entry for entry in entries if entry not in self.ledger]
        assert new == [entry for entry in entries if entry not in known]
        self.ledger.take(new, [10] * len(new))
        self.open.update(dict.fromkeys(new, 10))

    @rule(entries=ids)
    def find_gone(self, entries: list[bytes]) -> None:
        new = [entry for entry in entries if entry not in self.ledger]
        if not self.ledger.lost:
            self.ledger.discard(new)
            self.settled.update(dict.fromkeys(new, 0))

    @rule(entries=ids)
    def settle(self, entries: list[bytes]) -> None:
        self.ledger.settle([*entries, *entries])
        for entry in entries:
            if entry in self.open:
                self.settled[entry] = self.open.pop(entry)
        if self.ledger.lost:
            self.settled.clear()

    @rule(most=st.integers(1, 5))
    def acknowledge(self, most: int) -> None:
        due = self.ledger.due(most)
        assert due == list(self.settled)[:most]
        self.ledger.acknowledged(due)
        for entry in due:
            del self.settled[entry]

    @rule()
    @precondition(lambda self: len(self.open) > 3)
    def lose(self) -> None:
        self.ledger.lose()
        self.settled.clear()

    @invariant()
    def agrees(self) -> None:
        assert self.ledger.settled == len(self.settled)
        assert len(self.ledger) == len(self.open) + len(self.settled)
        assert self.ledger.in_hand() == [*self.settled, *self.open]
        assert self.window.messages == 1 + len(self.ledger)
        assert self.window.size == 1000 + sum(self.open.values()) + sum(self.settled.values())


TestLedger = Model.TestCase


@given(st.text(st.characters(codec="utf-8")))
def test_a_stream_is_known_by_its_bytes(stream: str) -> None:
    assert Ledger(stream, Window()).name == stream.encode()


def test_what_is_gone_is_told_once_and_not_while_it_is_in_hand() -> None:
    ledger = Ledger("s", Window())
    ledger.take([b"1-1", b"1-2"], [1, 1])
    ledger.settle([b"1-2"])
    assert ledger.missing([b"1-1", b"1-2", b"1-3", b"1-4"]) == [b"1-3", b"1-4"]
    assert ledger.missing([b"1-3", b"1-5"]) == [b"1-5"]


def test_a_receipt_is_of_one_ledger() -> None:
    one, two = Ledger("s", Window()), Ledger("s", Window())
    assert Receipt(one, b"1-1") != Receipt(two, b"1-1")
