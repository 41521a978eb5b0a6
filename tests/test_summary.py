"""The closing words of a run."""

from selfplay.summary import results, unspent


def test_questions_that_were_not_asked_are_told():
    lines = [{"step": 1, "preferences/asked": 4.0}, {"step": 2, "preferences/asked": 10.0}, {"step": 3}]
    assert unspent(lines, {"labels": {"budget": 10}}) == {}
    assert "10 of 40 questions" in unspent(lines, {"labels": {"budget": 40}})["preferences/asked"]
    assert unspent([{"step": 1}], {"labels": {"budget": 40}}) == {}
    assert unspent(lines[2:], {}) == {}


def test_evaluations_end_with_their_last_and_rollouts_with_a_mean():
    lines = [{"step": n, "eval/success": n / 40, "tv/in_view": float(n)} for n in range(40)]
    found = {row.tag: (row.first, row.last) for row in results(lines, "grid/Empty-5x5-v0")}
    assert found == {"eval/success": (0, 39 / 40), "tv/in_view": (0, 38.5)}
