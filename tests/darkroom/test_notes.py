"""Notes stand in the order of the steps that they are of."""

from darkroom.notes import Note, with_notes_behind

INGEST, CLEAN, EMBED = Note("ingest", "a"), Note("clean", "b"), Note("embed", "c")


def test_notes_of_a_step_that_is_told_later_stand_behind_those_of_the_step_before_it() -> None:
    assert with_notes_behind((INGEST, INGEST, CLEAN), "ingest", (EMBED,)) == (INGEST, INGEST, EMBED, CLEAN)
    assert with_notes_behind((CLEAN,), "ingest", (EMBED,)) == (EMBED, CLEAN)
    assert with_notes_behind((), "ingest", ()) == ()
