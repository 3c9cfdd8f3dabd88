"""The families of models beside networks: a linear probe, and classical models on the vectors of a backbone."""

import re
from typing import Literal, get_args

Family = Literal[
    "logistic_regression", "linear_svm", "rbf_svm", "decision_tree", "random_forest", "gradient_boosting", "k_nearest"
]  # fmt: skip
CLASSICAL: tuple[Family, ...] = get_args(Family)
PROBE = "probe"
ON_VECTORS = (PROBE, *CLASSICAL)  # learnt from embeddings, not from pixels
_COMPOSED = re.compile(rf"({'|'.join(ON_VECTORS)})\((.+)\)")


def composed(family: str, backbone: str) -> str:
    """The architecture of a family on a backbone, such as `probe(tf_efficientnet_lite0)`."""
    return f"{family}({backbone})"


def parts_of(architecture: str) -> tuple[str, str] | None:
    """Family and backbone of an architecture, or nothing where it is a network of its own."""
    found = _COMPOSED.fullmatch(architecture)
    return (found[1], found[2]) if found else None


def is_classical(architecture: str) -> bool:
    """Whether a model is a backbone with a classical model on its vectors: a graph, but no network with channels."""
    parts = parts_of(architecture)
    return parts is not None and parts[0] != PROBE
