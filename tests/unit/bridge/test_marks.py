"""`fedbridge-types`: how the types of headers are marked, and read back."""

from bridge.marks import MarkReader, Marks


def test_marks_that_are_remembered_are_bounded_in_bytes() -> None:
    marks = Marks()
    for number in range(3000):
        marks.learn(((f"h{number}",), ("i8",)))
    assert 0 < len(marks.known) <= 256
    kept = dict(marks.known)
    marks.learn((("x" * 1025,), ("i8",)))
    marks.learn((("x",) * 65, ("i8",) * 65))
    assert marks.known == kept


def test_marks_that_were_read_and_are_remembered_are_bounded_in_bytes() -> None:
    reader = MarkReader(raw=True)
    for number in range(3000):
        reader.typed(b'{"h":"i%d"}' % number, [("h", "string", "1")])
    assert 0 < len(reader._known) <= 256
    kept = dict(reader._known)
    reader.typed(b" " * 1025, [("h", "string", "1")])
    assert reader._known == kept
