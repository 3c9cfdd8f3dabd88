import numpy as np
import numpy.typing as npt
import pytest
import torch

from darkroom.training.self_supervised import nt_xent, vicreg

Floats = npt.NDArray[np.float64]


@pytest.fixture
def views() -> tuple[Floats, Floats]:
    rng = np.random.default_rng(0)
    first = rng.normal(size=(7, 5)) * [1, 2, 0.3, 1, 0.1]
    return first, first + rng.normal(scale=0.5, size=(7, 5))


def as_tensors(views: tuple[Floats, Floats]) -> list[torch.Tensor]:
    return [torch.from_numpy(view) for view in views]


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_nt_xent_is_the_formula_of_its_paper(views: tuple[Floats, Floats], temperature: float) -> None:
    z, number = np.concatenate(views), len(views[0])

    def similarity(i: int, j: int) -> float:
        return float(z[i] @ z[j] / np.sqrt(z[i] @ z[i]) / np.sqrt(z[j] @ z[j]))

    total = 0.0
    for i in range(2 * number):
        partner = (i + number) % (2 * number)
        others = sum(np.exp(similarity(i, k) / temperature) for k in range(2 * number) if k != i)
        total -= np.log(np.exp(similarity(i, partner) / temperature) / others)
    assert float(nt_xent(*as_tensors(views), temperature)) == pytest.approx(total / (2 * number), rel=1e-12)


def test_vicreg_is_the_formula_of_its_authors_code(views: tuple[Floats, Floats]) -> None:
    number, size = views[0].shape
    invariance = sum((a - b) ** 2 for one, two in zip(*views, strict=True) for a, b in zip(one, two, strict=True)) / (number * size)
    variance = covariance = 0.0
    for view in views:
        centred = view - view.sum(0) / number
        shared = centred.T @ centred / (number - 1)
        variance += sum(max(0.0, 1 - np.sqrt(shared[j, j] + 1e-4)) for j in range(size)) / size / 2
        covariance += sum(shared[i, j] ** 2 for i in range(size) for j in range(size) if i != j) / size
    expected = 25 * invariance + 10 * variance + 3 * covariance
    assert float(vicreg(*as_tensors(views), 25, 10, 3)) == pytest.approx(expected, rel=1e-12)


def test_views_that_agree_cost_least_and_images_that_look_all_the_same_cost_much() -> None:
    apart, same = torch.eye(4, dtype=torch.float64), torch.ones(4, 4, dtype=torch.float64)
    assert float(nt_xent(apart, apart, 0.1)) < 0.01 < float(nt_xent(apart, apart.roll(1, 0), 0.1))
    assert float(nt_xent(same, same, 0.1)) == pytest.approx(np.log(7))
    assert float(vicreg(same, same, 25, 25, 1)) == pytest.approx(25 * 0.99)


@pytest.mark.parametrize("name", ["simclr", "vicreg"])
def test_the_losses_have_a_finite_slope_where_views_are_equal(name: str) -> None:
    view = torch.ones(3, 2, dtype=torch.float64, requires_grad=True)
    (nt_xent(view, view, 0.2) if name == "simclr" else vicreg(view, view, 25, 25, 1)).backward()  # type: ignore[no-untyped-call]
    assert view.grad is not None and bool(view.grad.isfinite().all())
