"""What is said of over- and underfitting: a verdict, and the numbers that it stands on."""

import pytest

from darkroom.training.diagnosis import Case, diagnose


def case(
    scores, train, *, losses=None, train_losses=None, floor=None, error=0.01, constant=0.1, kept=None, monitor="f1_macro", stopped=False
):
    losses = losses or [1 - 0.01 * number for number in range(len(scores))]
    train_losses = train_losses or [1 - 0.05 * number for number in range(len(scores))]
    rows = [
        {"epoch": number, "train_loss": own, "validation_loss": loss, "validation_f1_macro": score}
        for number, (score, loss, own) in enumerate(zip(scores, losses, train_losses, strict=True), start=1)
    ]
    known = {} if floor is None else {"f1_macro": floor}
    return Case(monitor, rows, kept or len(rows), {"f1_macro": train}, constant, error, 400, known, stopped)


LEVEL = [0.6, 0.8, 0.85, 0.86, 0.86, 0.86, 0.86, 0.86]
RISING = [1.0, 0.8, 0.7, 0.65, 0.7, 0.8, 0.9, 1.0]
LATE = [0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75]


@pytest.mark.parametrize(
    ("given", "verdict", "evidence"),
    [
        pytest.param(case(LEVEL, 0.88), "fine", ("a gap of +0.0200",), id="a gap that may be chance"),
        pytest.param(
            case(LEVEL, 0.99), "overfits", ("on training images as they are, f1_macro is 0.9900", "a gap of +0.1300"), id="a wide gap"
        ),
        pytest.param(case(LEVEL, 0.99, error=0.08), "unknown", ("of which 0.1603 may be chance",), id="a gap among few images"),
        pytest.param(case(LEVEL, 0.89, losses=RISING), "overfits", ("rose from 0.6500 in epoch 4 to 1.0000 in epoch 8",), id="rising loss"),
        pytest.param(case(LEVEL, 0.87, losses=RISING), "fine", (), id="a rising loss without a gap"),
        pytest.param(case(LEVEL, 0.89, losses=RISING, train_losses=RISING), "fine", (), id="both losses rise"),
        pytest.param(case(LATE, 0.76), "unfinished", ("gained +0.1000 of f1_macro",), id="still improving"),
        pytest.param(case(LATE, 0.95), "unfinished", ("a gap of +0.2000",), id="still improving, with a gap"),
        pytest.param(case(LATE, 1.0), "overfits", ("gained +0.1000",), id="no more to be learnt from the training images"),
        pytest.param(case(LATE, 0.76, stopped=True), "fine", (), id="stopped, as it had not improved"),
        pytest.param(case([0.95, 0.96, 0.97], 1.0, constant=0.97), "fine", (), id="all learnt where most are of one class"),
        pytest.param(case(LEVEL, 0.87, floor=0.865), "fine", ("below its floor",), id="below the floor by less than chance"),
        pytest.param(case(LATE, 0.7, kept=6), "fine", ("gained +0.0000",), id="the kept epoch is an early one"),
        pytest.param(case([0.47], 0.67, floor=0.85), "underfits", ("a gap of +0.2000",), id="training images below the floor, with a gap"),
        pytest.param(case(LEVEL, 0.87, floor=0.9), "underfits", ("below its floor", "0.9000"), id="below the floor"),
        pytest.param(case(LEVEL, 0.99, floor=0.9), "overfits", ("below its floor",), id="below the floor, with a gap"),
        pytest.param(case(LEVEL, 0.87, floor=0.8), "fine", ("above its floor",), id="above the floor"),
        pytest.param(case([0.3, 0.3, 0.3], 0.31, constant=0.3), "underfits", ("a constant answer reaches 0.3000",), id="learnt nothing"),
        pytest.param(case([0.8], 0.82), "fine", ("one epoch shows no trend",), id="one epoch"),
        pytest.param(case(LEVEL, 0.99, monitor="loss", error=0.0), "overfits", ("f1_macro is 0.9900",), id="a monitor without a score"),
        pytest.param(Case("f1_macro", [{"epoch": 1, "train_loss": 1.0}], 1, {}, 0.0, 0.0, 0), "unknown", (), id="no validation images"),
    ],
)
def test_the_verdict_follows_from_gap_trend_and_floor(given, verdict, evidence):
    found = diagnose(given)
    assert found.verdict == verdict
    assert [text for text in evidence if text not in "; ".join(found.evidence)] == []
