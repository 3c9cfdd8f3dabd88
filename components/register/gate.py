"""The gate: whether a challenger becomes the champion.

Settings are the section `register` of `params.yaml`, see `components.register.config`.
"""

from collections.abc import Sequence

from components.register.config import RegisterConfig
from darkroom.comparison import Comparison, Limit, p_text
from darkroom.evaluation import Predictions
from darkroom.metrics.paired_comparison import obstacle
from darkroom.outcome import Verdict
from darkroom.registry.registry import CHALLENGER, CHAMPION

COIN_FLIP = 0.5  # p-value from which on a gain says nothing: two equal models differ as much every other time
ROUNDING = 1e-9  # 0.95 - 0.8 is 0.1499..., and not more than 0.15


def refusal(challenger: Predictions, champion: Predictions | None, champion_version: int) -> str:
    """Why a challenger can't be compared with the champion; empty where it can."""
    name = f"version {champion_version}"
    reason = f"the answers of {name} were not kept" if champion is None else obstacle(challenger, champion, name)
    return f"it can't be compared: {reason}" if reason else ""


def decide(
    compared: Comparison, costs: Sequence[Limit], champion_version: int, config: RegisterConfig, floor: Sequence[Limit] = ()
) -> Verdict:
    """Decides whether a challenger becomes the champion.

    Args:
        compared: The challenger with the champion; without a champion with the best constant answer, which it only has to beat, but
            by more than chance.
        costs: Limits on latency and size, see `components.register.cost_limits`.
        champion_version: 0 for none.
        config: What is required.
        floor: What the floor asks for, see `components.register.floor_limit`.
    """
    main = compared.main
    required = [*_gain(compared, config), *_recall(compared, config)] if champion_version else _baseline(compared, config)
    required += [(limit, f"it falls below its floor (train.floor): {limit.found}, not {limit.asked}") for limit in floor]
    limits = (*(limit for limit, _ in required), *costs)
    objections = [objection for limit, objection in required if not limit.met and objection]
    objections += [f"its {limit.found} is more than register.{limit.name} allows ({limit.asked})" for limit in costs if not limit.met]
    reason = _sentence(compared, champion_version)
    if objections:
        reason += f", {'but' if main.gain > 0 else 'and'} {'; and '.join(objections)}"
    accepted = all(limit.met for limit in limits)
    if accepted and main.gain <= 0:
        reason += ", but not significantly, which is enough for register.promote_if not_worse"
    return Verdict(CHAMPION if accepted else CHALLENGER, reason, champion_version, compared, limits)


Requirement = tuple[Limit, str]  # and the objection where it is not met


def _gain(compared: Comparison, config: RegisterConfig) -> list[Requirement]:
    """The gain in the deciding measure must be more than chance; that is not asked of a challenger that loses no image."""
    main = compared.main
    found = f"{main.gain:+.4f}, p {p_text(main.p_value)}"
    if config.promote_if == "not_worse":
        met = main.gain >= 0 or main.p_value >= config.significance
        return [(Limit("promote_if", f"not significantly worse (p < {config.significance:g})", found, met), "")]
    above = main.gain > config.min_gain + ROUNDING
    objection = f"not by more than the {config.min_gain:g} that register.min_gain asks for" if main.gain > 0 else ""
    rows = [(Limit("min_gain", f"{main.measure} larger by more than {config.min_gain:g}", f"{main.gain:+.4f}", above), objection)]
    if above:
        strict = config.promote_if == "significantly_better"
        most = config.significance if strict else COIN_FLIP
        objection = f"not significantly: register.promote_if asks for p below {most:g}" if strict else "by no more than chance would do"
        asked = f"more than chance: p < {most:g}" + ("" if strict else ", or right on all that the champion had right")
        met = main.p_value < most or (not strict and compared.num_lost == 0)
        rows.append((Limit("promote_if", asked, f"p {p_text(main.p_value)}, {compared.num_lost} lost", met), objection))
    return rows


def _recall(compared: Comparison, config: RegisterConfig) -> list[Requirement]:
    """No class may lose more recall than the limit, where that is more than chance."""
    most = config.max_recall_drop
    if most == "none":
        return []
    fallen = [row for row in compared.classes if -row.change > most + ROUNDING and row.p_value < config.significance]
    limit = f"no class's recall falls by more than {most:g} (where p < {config.significance:g})"
    worst = (fallen or list(compared.classes))[0]
    found = (
        "none falls"
        if worst.change >= 0
        else f"{worst.name!r} {worst.champion_recall:.3f} to {worst.recall:.3f}, {worst.num_images} images, p {p_text(worst.p_value)}"
    )
    more = f" (and of {len(fallen) - 1} more)" if len(fallen) > 1 else ""
    objection = (
        f"the recall of {worst.name!r}{more} falls from {worst.champion_recall:.4f} to {worst.recall:.4f}, by more than the {most:g} "
        "that register.max_recall_drop allows"
    )
    return [(Limit("max_recall_drop", limit, found, not fallen), objection)]


def _baseline(compared: Comparison, config: RegisterConfig) -> list[Requirement]:
    """A first champion must beat the best constant answer by more than chance."""
    main, most = compared.main, config.significance
    asked = f"{main.measure} larger than with {compared.champion}, p < {most:g}"
    met = main.gain > 0 and main.p_value < most
    objection = f"not significantly: a first champion needs p below {most:g} (register.significance)" if main.gain > 0 else ""
    return [(Limit("baseline", asked, f"{main.gain:+.4f}, p {p_text(main.p_value)}", met), objection)]


def _sentence(compared: Comparison, champion_version: int) -> str:
    main = compared.main
    relation = "better than" if main.gain > 0 else "worse than" if main.gain < 0 else "as good as"
    value = f"{main.champion_score:.4f}"
    other = f"{compared.champion}'s {value}" if champion_version else f"the {value} of {compared.champion}"
    images = "shared test images" if champion_version else "test images"
    first = "" if champion_version else "there was no champion yet; "
    evidence = f" ({main.gain:+.4f}, 95 % interval {main.low:+.4f} to {main.high:+.4f}, p {p_text(main.p_value)})" if main.gain else ""
    return f"{first}on {compared.num_shared} {images} its {main.measure} of {main.score:.4f} is {relation} {other}{evidence}"
