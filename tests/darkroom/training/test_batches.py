"""Batches: every image once, or every class as often; blended or not."""

from types import SimpleNamespace

import pytest
import torch
from torchvision.transforms import v2

from darkroom.training.batches import draw_mixture, order, seeds_of
from darkroom.training.hyperparameters import Settings


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def mix(images, targets, settings, generator):
    mixture = draw_mixture(len(images), images.shape[-1], settings, generator)
    partners = torch.arange(len(images)) if mixture.partners is None else mixture.partners
    mixed = images if mixture.partners is None else mixture.of(images, images[partners])
    return SimpleNamespace(images=mixed, partners=targets[partners], share=mixture.share)


@pytest.mark.parametrize(("num_images", "sizes"), [(10, [4, 3, 3]), (4, [4]), (5, [3, 2]), (2, [2]), (3, [3])])
def test_every_image_stands_in_one_batch_and_none_alone(num_images, sizes):
    batch_size = 2 if num_images == 3 else 4
    batches = order("multiclass", torch.zeros(num_images, dtype=torch.int64), Settings(1, batch_size=batch_size), gen())
    assert [len(batch) for batch in batches] == sizes
    assert sorted(torch.cat(batches).tolist()) == list(range(num_images))


def test_the_order_depends_on_the_seed_and_the_epoch():
    assert seeds_of(0, 1) == seeds_of(0, 1)
    assert len({*seeds_of(0, 0), *seeds_of(0, 1), *seeds_of(1, 0)}) == 9


def test_sampling_draws_every_class_equally_often():
    targets = torch.tensor([0] * 960 + [1] * 32 + [2] * 8)
    drawn = torch.cat(order("multiclass", targets, Settings(1, class_balance="sampling"), gen()))
    shares = torch.bincount(targets[drawn], minlength=3) / len(targets)
    assert torch.allclose(shares, torch.full((3,), 1 / 3), atol=0.05)


def test_sampling_draws_a_rare_label_more_often_and_every_image_at_times():
    targets = torch.zeros(1000, 3)
    targets[:, 0], targets[:20, 1], targets[500:510] = 1, 1, 0
    drawn = torch.cat(order("multilabel", targets, Settings(1, class_balance="sampling"), gen()))
    assert (drawn < 20).float().mean() > 0.3
    assert ((drawn >= 500) & (drawn < 510)).any()


def test_no_blending_leaves_a_batch_as_it_is():
    images, targets = torch.rand(4, 3, 2, 2), torch.arange(4)
    mixed = mix(images, targets, Settings(1), gen())
    assert mixed.images is images and mixed.share == 1.0


def test_blending_keeps_the_larger_part_of_each_image():
    images, targets = torch.arange(4.0)[:, None, None, None].expand(4, 3, 2, 2), torch.arange(4)
    mixed = mix(images, targets, Settings(1, mixing=1.0), gen())
    assert 0.5 <= mixed.share <= 1
    expected = mixed.share * targets + (1 - mixed.share) * mixed.partners
    torch.testing.assert_close(mixed.images[:, 0, 0, 0], expected.float())
    assert sorted(mixed.partners.tolist()) == [0, 1, 2, 3]


def test_a_square_of_each_image_is_its_partners_and_counts_as_much_as_it_covers():
    images, targets = torch.arange(32.0)[:, None, None, None].expand(32, 3, 16, 16), torch.arange(32)
    corners = set()
    for seed in range(20):
        mixed = mix(images, targets, Settings(1, cutmix=1.0), gen(seed))
        other = mixed.images[:, 0] == mixed.partners[:, None, None]
        assert ((mixed.images[:, 0] == targets[:, None, None]) | other).all()
        row = other[mixed.partners != targets][0]
        rows, columns = row.any(1).nonzero(), row.any(0).nonzero()
        assert row.sum() == len(rows) * len(columns) and len(rows) == len(columns)
        assert row.float().mean() == pytest.approx(1 - mixed.share) and mixed.share >= 0.5
        corners.add((int(rows[0]), int(columns[0])))
    assert len(corners) > 10


@pytest.mark.parametrize(("ours", "theirs"), [({"mixing": 1.0}, v2.MixUp), ({"cutmix": 1.0}, v2.CutMix)])
def test_mixed_images_are_torchvisions_for_the_same_share_square_and_partners(ours, theirs):
    images = torch.rand(5, 3, 16, 16, generator=gen())
    for seed in range(5):
        mixture = draw_mixture(5, 16, Settings(1, **ours), gen(seed))._replace(partners=torch.arange(5).roll(1))
        rows, columns = mixture.square or (slice(0, 0), slice(0, 0))
        box = columns.start, rows.start, columns.stop, rows.stop
        expected = theirs(num_classes=2).transform(images, {"labels": None, "batch_size": 5, "lam": mixture.share, "box": box})
        torch.testing.assert_close(mixture.of(images, images[mixture.partners]), expected)


def test_blending_and_pasting_share_the_batches():
    images, targets = torch.rand(4, 3, 8, 8, generator=gen()), torch.arange(4)
    mixed = [mix(images, targets, Settings(1, mixing=0.3, cutmix=0.3), gen(seed)) for seed in range(200)]
    left = sum(batch.images is images for batch in mixed)
    blended = sum(not torch.isin(batch.images, images).all() for batch in mixed)
    assert abs(left - 80) < 25 and abs(blended - 60) < 25
