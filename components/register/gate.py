"""Promotion: the gate between a new model and the alias `champion`.

Settings are the section `register` of `params.yaml`, see `components.register.config`.
"""

from collections.abc import Sequence

from components.register.config import RegisterConfig
from darkroom.comparison import Comparison, Limit, p_text
from darkroom.evaluation import Predictions
from darkroom.outcome import Verdict
from darkroom.registry.registry import CHALLENGER, CHAMPION

COIN_FLIP = 0.5  # p-value from which on a gain says nothing: two equal models differ as much every other time

EDGE = 1e-9  # 0.95 - 0.8 is no more than 0.15


def refusal(challenger: Predictions, champion: Predictions | None, rival: int) -> str:
    """Why a new model can't be compared with the champion, version `rival`; empty where it can."""
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


def decide(compared: Comparison, costs: Sequence[Limit], rival: int, config: RegisterConfig) -> Verdict:
    """Lets a new model through the gate, or not.

    Args:
        compared: With the champion; or where there is none with the best constant answer, which is only to be beaten.
        costs: Limits on latency and size, see `components.register.cost_limits`.
        rival: The champion's version, 0 for none.
        config: What is asked for.
    """
    main = compared.main
    asked = [*_gain(compared, config), *_recall(compared, config)] if rival else _baseline(compared)
    limits = (*(limit for limit, _ in asked), *costs)
    objections = [objection for limit, objection in asked if not limit.met and objection]
    objections += [f"its {limit.found} is more than register.{limit.name} allows ({limit.asked})" for limit in costs if not limit.met]
    reason = _sentence(compared, rival)
    if objections:
        reason += f", {'but' if main.gain > 0 else 'and'} {'; and '.join(objections)}"
    accepted = all(limit.met for limit in limits)
    if accepted and main.gain <= 0:
        reason += ", but not significantly, which is enough for register.promote_if not_worse"
    return Verdict(CHAMPION if accepted else CHALLENGER, reason, rival, compared, limits)


Asked = tuple[Limit, str]  # and what is said where it is not met


def _gain(compared: Comparison, config: RegisterConfig) -> list[Asked]:
    """The gain in the deciding measure, and whether chance alone would bring it; a model that loses no image needs no chance."""
    main = compared.main
    found = f"{main.gain:+.4f}, p {p_text(main.p_value)}"
    if config.promote_if == "not_worse":
        met = main.gain >= 0 or main.p_value >= config.significance
        return [(Limit("promote_if", f"not significantly worse (p < {config.significance:g})", found, met), "")]
    above = main.gain > config.min_gain + EDGE
    small = f"not by more than the {config.min_gain:g} that register.min_gain asks for" if main.gain > 0 else ""
    rows = [(Limit("min_gain", f"{main.measure} larger by more than {config.min_gain:g}", f"{main.gain:+.4f}", above), small)]
    if above:
        strict = config.promote_if == "significantly_better"
        most = config.significance if strict else COIN_FLIP
        weak = f"not significantly: register.promote_if asks for p below {most:g}" if strict else "by no more than chance would do"
        asked = f"more than chance: p < {most:g}" + ("" if strict else ", or right on all that the champion had right")
        met = main.p_value < most or (not strict and compared.num_lost == 0)
        rows.append((Limit("promote_if", asked, f"p {p_text(main.p_value)}, {compared.num_lost} lost", met), weak))
    return rows


def _recall(compared: Comparison, config: RegisterConfig) -> list[Asked]:
    """No class may lose more recall than the limit, where that is more than chance."""
    most = config.max_recall_drop
    if most == "none":
        return []
    fallen = [row for row in compared.classes if -row.change > most + EDGE and row.p_value < config.significance]
    asked = f"no class's recall falls by more than {most:g} (where p < {config.significance:g})"
    worst = (fallen or list(compared.classes))[0]
    found = (
        "none falls"
        if worst.change >= 0
        else f"{worst.name!r} {worst.rival_recall:.3f} to {worst.recall:.3f}, {worst.num_images} images, p {p_text(worst.p_value)}"
    )
    more = f" (and of {len(fallen) - 1} more)" if len(fallen) > 1 else ""
    told = (
        f"the recall of {worst.name!r}{more} falls from {worst.rival_recall:.4f} to {worst.recall:.4f}, by more than the {most:g} "
        "that register.max_recall_drop allows"
    )
    return [(Limit("max_recall_drop", asked, found, not fallen), told)]


def _baseline(compared: Comparison) -> list[Asked]:
    main = compared.main
    return [(Limit("baseline", f"{main.measure} larger than with {compared.rival}", f"{main.gain:+.4f}", main.gain > 0), "")]


def _sentence(compared: Comparison, rival: int) -> str:
    main = compared.main
    relation = "better than" if main.gain > 0 else "worse than" if main.gain < 0 else "as good as"
    other = f"{compared.rival}'s {main.rival_score:.4f}" if rival else f"the {main.rival_score:.4f} of {compared.rival}"
    images = "shared test images" if rival else "test images"
    first = "" if rival else "there was no champion yet; "
    evidence = f" ({main.gain:+.4f}, 95 % interval {main.low:+.4f} to {main.high:+.4f}, p {p_text(main.p_value)})" if main.gain else ""
    return f"{first}on {compared.num_shared} {images} its {main.measure} of {main.score:.4f} is {relation} {other}{evidence}"
