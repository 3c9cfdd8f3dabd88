"""Losses that need no labels: two views of an image are to agree, and not all images are to look the same.

Each takes what a network projects of the first views, `(N, D) float32`, and of the second views of the same images, in the same order.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

TARGET_STD, SMALLEST_VARIANCE = 1.0, 1e-4  # of VICReg: the deviation that each feature is to have; its root has no slope at 0


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """The normalised, temperature-scaled cross-entropy: each view is to be told from all others of the batch as its partner's.

    Args:
        first: `(N, D) float32`, N and D of at least 2.
        second: `(N, D) float32`.
        temperature: By which cosine similarities are divided: the lower, the more the nearest of the others count.

    Returns:
        `() float32`, the mean over the 2 N views.

    Source: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations" (SimCLR).
    """
    views = F.normalize(torch.cat([first, second]), dim=1)
    itself = torch.eye(len(views), dtype=torch.bool, device=views.device)
    similarities = (views @ views.T / temperature).masked_fill(itself, -torch.inf)
    partners = torch.arange(len(views), device=views.device).roll(len(first))
    return F.cross_entropy(similarities, partners)


def vicreg(first: Tensor, second: Tensor, invariance: float, variance: float, covariance: float) -> Tensor:
    """The distance of the two views, and what keeps them from being all the same: each feature varies, and no two vary together.

    Args:
        first: `(N, D) float32`, N and D of at least 2.
        second: `(N, D) float32`.
        invariance: Weight of the mean squared distance.
        variance: Weight of what each feature's deviation lacks to 1, the mean over features and views.
        covariance: Weight of the squared covariances of different features, their sum a feature.

    Returns:
        `() float32`.

    Source: Bardes, Ponce and LeCun 2022, "VICReg", with the means and halves of its authors' code, for which its weights are meant.
    """
    lacking, shared = first.new_zeros(()), first.new_zeros(())
    for view in (first, second):
        lacking = lacking + F.relu(TARGET_STD - (view.var(0) + SMALLEST_VARIANCE).sqrt()).mean() / 2
        covariances = torch.cov(view.T)
        shared = shared + (covariances - covariances.diagonal().diag()).square().sum() / view.shape[1]
    return invariance * F.mse_loss(first, second) + variance * lacking + covariance * shared
