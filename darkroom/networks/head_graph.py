"""Classical models as ONNX graphs from `vectors`, `(N, D) float32`, to `probabilities`, `(N, K) float32`."""

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from darkroom.networks.export import OPSET

IR_VERSION = 8
Link = Literal["softmax", "sigmoid", "shares"]
Array = npt.NDArray[Any]


class HeadGraph:
    """A graph that grows node by node; each method takes names of values and returns the name of a new one.

    Args:
        num_features: D.

    Attributes:
        vectors: The input, rounded to float16: the model sees what it was fitted on, as `darkroom.embeddings` stores it.
    """

    def __init__(self, num_features: int) -> None:
        self.num_features = num_features
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._domains = {"": OPSET}
        self.vectors = self.cast(self.cast("vectors", TensorProto.FLOAT16), TensorProto.FLOAT)

    def constant(self, value: Array) -> str:
        """A constant."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """The output of an operator."""
        name = f"value_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def cast(self, value: str, kind: int) -> str:
        """A value in another type of `onnx.TensorProto`."""
        return self.node("Cast", value, to=kind)

    def project(self, vectors: str, mean: Array, components: Array) -> str:
        """Principal components `(N, P) float32` of vectors, computed in float64 so that trees split them the same everywhere.

        Args:
            vectors: `(N, D) float32`.
            mean: `(D,)`.
            components: `(P, D)`.
        """
        centred = self.node("Sub", self.cast(vectors, TensorProto.DOUBLE), self.constant(mean.astype(np.float64)))
        return self.cast(self.node("MatMul", centred, self.constant(components.T.astype(np.float64))), TensorProto.FLOAT)

    def linear(self, vectors: str, weight: Array, bias: Array) -> str:
        """`vectors @ weight.T + bias`; all three of one type."""
        return self.node("Add", self.node("MatMul", vectors, self.constant(weight.T)), self.constant(bias))

    def link(self, outputs: str, link: Link) -> str:
        """Probabilities of outputs `(N, K)`: softmax, sigmoids, or sigmoids divided by their sum."""
        if link == "softmax":
            return self.node("Softmax", outputs, axis=1)
        odds = self.node("Sigmoid", outputs)
        if link == "sigmoid":
            return odds
        return self.node("Div", odds, self.node("ReduceSum", odds, self.constant(np.array([1])), keepdims=1))

    def kernel(self, vectors: str, landmarks: Array, gamma: float) -> str:
        """`exp(-gamma |x - l|^2)` of vectors `(N, D) float32` and landmarks `(M, D)`, `(N, M) float64`."""
        points = landmarks.astype(np.float64)
        exact = self.cast(vectors, TensorProto.DOUBLE)
        own = self.node("ReduceSum", self.node("Mul", exact, exact), self.constant(np.array([1])), keepdims=1)
        distances = self.node("Add", self.linear(exact, -2 * points, np.square(points).sum(1)), own)
        return self.node("Exp", self.node("Mul", distances, self.constant(np.array(-gamma))))

    def neighbours(self, vectors: str, known: Array, votes: Array, weights: Array, num_neighbours: int) -> str:
        """The weighted mean vote `(N, K) float32` of the nearest of some known vectors.

        Args:
            vectors: `(N, D) float32`.
            known: `(M, D) float32`.
            votes: `(M, K) float32`.
            weights: `(M, K) float32`, how much each vote counts.
            num_neighbours: How many are asked.
        """
        points = known.astype(np.float32)
        distances = self.linear(vectors, -2 * points, np.square(points).sum(1))  # less the vectors' own length, which changes no order
        nearest = f"nearest_{len(self._nodes)}"
        count = self.constant(np.array([num_neighbours]))
        self._nodes.append(helper.make_node("TopK", [distances, count], [f"{nearest}_values", nearest], nearest, axis=1, largest=0))
        asked = (self.node("Gather", self.constant(part.astype(np.float32)), nearest, axis=0) for part in (votes * weights, weights))
        sums = [self.node("ReduceSum", part, self.constant(np.array([1])), keepdims=0) for part in asked]
        return self.node("Div", *sums)

    def convert(self, estimator: Any, vectors: str, num_features: int, edges: Array | None = None) -> str:
        """The probabilities of a fitted tree, forest or gradient boosting of scikit-learn: `(N, C)`, or `(K, N, 2)` of several labels.

        Args:
            estimator: What was fitted.
            vectors: `(N, num_features) float32`.
            num_features: What it was fitted on.
            edges: `(num_features, B)`, ascending, where it was fitted on the numbers of the bins between them; number b is at most edge b.
        """
        from skl2onnx import convert_sklearn  # takes a second to import
        from skl2onnx.common.data_types import FloatTensorType

        with warnings.catch_warnings():  # the converter hands numpy's integers to protobuf, which warns of them
            warnings.simplefilter("ignore", DeprecationWarning)
            converted = convert_sklearn(
                estimator,
                initial_types=[("vectors", FloatTensorType([None, num_features]))],
                options={id(estimator): {"zipmap": False}},
                target_opset={"": OPSET, "ai.onnx.ml": 3},
            )
        if edges is not None:
            _split_at_edges(converted, edges)
        return self.inline(converted, {"vectors": vectors})

    def inline(self, other: onnx.ModelProto, inputs: dict[str, str]) -> str:
        """Takes another model's nodes over; gives its output `probabilities`."""
        names, prefix = dict(inputs), f"inlined_{len(self._nodes)}_"
        self._domains |= {one.domain: one.version for one in other.opset_import if one.domain}
        for constant in other.graph.initializer:
            constant.name = names.setdefault(constant.name, prefix + constant.name)
            self._constants.append(constant)
        for number, node in enumerate(other.graph.node):
            outputs = [names.setdefault(name, prefix + name) for name in node.output]
            taken = [names.get(name, name) for name in node.input]
            node.ClearField("input")
            node.ClearField("output")
            node.input.extend(taken)
            node.output.extend(outputs)
            node.name = f"{prefix}{number}"
            self._nodes.append(node)
        return names["probabilities"]

    def model(self, probabilities: str, num_outputs: int) -> onnx.ModelProto:
        """The finished graph, whose output is the value of that name.

        Args:
            probabilities: `(N, K) float32`.
            num_outputs: K.
        """
        nodes = [*self._nodes, helper.make_node("Identity", [probabilities], ["probabilities"], "probabilities")]
        inputs = [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["num_images", self.num_features])]
        outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["num_images", num_outputs])]
        used = _used(nodes, "probabilities")
        read = {name for node in used for name in node.input}
        graph = helper.make_graph(used, "head", inputs, outputs, [value for value in self._constants if value.name in read])
        opsets = [helper.make_opsetid(domain, version) for domain, version in sorted(self._domains.items())]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="darkroom")


def _split_at_edges(model: onnx.ModelProto, edges: Array) -> None:
    """Makes trees that split between the numbers of bins split at the bins' edges."""
    for node in model.graph.node:
        known = {attribute.name: attribute for attribute in node.attribute}
        if "nodes_values" in known:
            features, numbers = np.array(known["nodes_featureids"].ints), np.floor(known["nodes_values"].floats).astype(int)
            splits = np.array([mode != b"LEAF" for mode in known["nodes_modes"].strings])
            values = np.where(splits, edges[features, np.clip(numbers, 0, edges.shape[1] - 1)], 0.0)
            known["nodes_values"].floats[:] = values.astype(np.float32).tolist()


def _used(nodes: Sequence[onnx.NodeProto], output: str) -> list[onnx.NodeProto]:
    """The nodes that an output depends on, in their order: scikit-learn's converter also makes labels."""
    needed, kept = {output}, list[onnx.NodeProto]()
    for node in reversed(nodes):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    return kept[::-1]
