"""Promotion: is a new model better than the champion on the test images that both have answered?"""

import dataclasses

from components.evaluation import Predictions
from components.outcome import Verdict
from components.versions import CHALLENGER, CHAMPION


def first_verdict() -> Verdict:
    """The first version of a model has no rival."""
    return Verdict(CHAMPION, "it is the first version of this model, so there is none to beat")


def compare(challenger: Predictions, champion: Predictions | None, rival: int, measure: str, min_gain: float) -> Verdict:
    """Compares a new model with the champion.

    Both are judged by the challenger's labels, because later labels mend earlier ones.

    Args:
        challenger: The new model's answers on its test images.
        champion: The champion's on its own, or none where they were not kept.
        rival: The champion's version.
        measure: A measure that is better when larger, see `components.measures`.
        min_gain: By how much the new model must be better, more than.

    Returns:
        The alias that the new model earns, with the reason.
    """
    refusal = _refusal(challenger, champion, rival)
    if champion is None or refusal:
        return Verdict(CHALLENGER, refusal, rival)
    known = set(champion.image_ids)
    shared = [name for name in challenger.image_ids if name in known]
    mine = challenger.at(shared)
    theirs = dataclasses.replace(champion.at(shared), truth=mine.truth)
    score, other = mine.measures().get(measure), theirs.measures().get(measure)
    if score is None or other is None:
        return Verdict(CHALLENGER, f"{measure} is not defined on the {len(shared)} shared test images", rival)
    better = score - other > min_gain
    relation = "is better than" if score > other else "is as good as" if score == other else "is worse than"
    wanted = f" by more than the {min_gain:g} that register.min_gain asks for" if min_gain and score > other else ""
    not_enough = ", but not" if wanted and not better else ""
    reason = (
        f"on {len(shared)} shared test images its {measure} of {score:.4f} {relation} version {rival}'s {other:.4f}{not_enough}{wanted}"
    )
    return Verdict(CHAMPION if better else CHALLENGER, reason, rival, measure, score, other, len(shared))


def _refusal(challenger: Predictions, champion: Predictions | None, rival: int) -> str:
    """Why the two can't be compared; empty where they can."""
    if champion is None:
        return f"it can't be compared: the answers of version {rival} were not kept"
    if challenger.task != champion.task:
        return f"it can't be compared: its task is {challenger.task}, that of version {rival} is {champion.task}"
    if challenger.classes != champion.classes:
        only = sorted(set(challenger.classes) ^ set(champion.classes))
        named = ", ".join(repr(name) for name in only[:5]) + (" and more" if len(only) > 5 else "")
        return f"it can't be compared: its classes differ from those of version {rival} in {named or 'their order'}"
    if not set(challenger.image_ids) & set(champion.image_ids):
        return f"it can't be compared: it shares no test image with version {rival}"
    return ""
