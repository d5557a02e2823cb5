"""Scripts decide what a postbox does wrong, one stage at a time."""

from newsletter.postbox import Act, Moment, Say, Stage, after, at, behave, first_of, greylist, refuse

MAIL = Moment(stage=Stage.MAIL, address="a@b.test")


def rcpt(address: str, letters: int = 0) -> Moment:
    return Moment(stage=Stage.RCPT, address=address, letters=letters)


def test_a_postbox_that_behaves_makes_no_move() -> None:
    assert [behave(Moment(stage=stage)) for stage in Stage] == [None] * len(Stage)


def test_a_move_is_made_at_its_stage_alone() -> None:
    script = at(Stage.RCPT, Act.CLOSE)
    assert script(MAIL) is None
    assert script(rcpt("x@y.test")) is Act.CLOSE


def test_a_move_may_be_made_the_first_few_times_only() -> None:
    script = at(Stage.MAIL, Act.RESET, times=2)
    assert [script(MAIL) for _ in range(3)] == [Act.RESET, Act.RESET, None]


def test_a_script_may_begin_after_some_letters() -> None:
    script = after(2, at(Stage.RCPT, Act.HANG))
    assert [script(rcpt("x@y.test", letters)) for letters in range(4)] == [None, None, Act.HANG, Act.HANG]


def test_addresses_are_refused_by_pattern_in_any_case() -> None:
    script = refuse(r"^gone@", "550 5.1.1 gone")
    assert script(rcpt("Gone@example.test")) == Say("550 5.1.1 gone")
    assert script(rcpt("not.gone@example.test")) is None
    assert script(Moment(stage=Stage.MAIL, address="gone@example.test")) is None


def test_each_recipient_is_greylisted_once() -> None:
    script = greylist("450 later")
    moves = [script(rcpt(address)) for address in ("a@x.test", "b@x.test", "a@x.test")]
    assert moves == [Say("450 later"), Say("450 later"), None]


def test_the_first_script_that_answers_decides() -> None:
    script = first_of(at(Stage.RCPT, Act.CLOSE), at(Stage.RCPT, Act.RESET), at(Stage.MAIL, Act.HANG))
    assert (script(rcpt("x@y.test")), script(MAIL)) == (Act.CLOSE, Act.HANG)
