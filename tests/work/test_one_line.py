from deeplandmark.work.one_line import clipped


def test_a_message_is_one_line_of_what_a_terminal_can_show():
    assert clipped(ValueError("a net\n  of two lines\n")) == "a net of two lines"
    assert clipped("x" * 1000) == "x" * 1000
    long = clipped("begin " + "x" * 50_000 + " end")
    assert len(long) == 1000 and long.startswith("begin xx") and long.endswith("xx end") and "x ... x" in long
