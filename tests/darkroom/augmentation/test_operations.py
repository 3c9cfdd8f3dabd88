"""Each operation against its closed form, at p=0, at p=1 and in between."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from darkroom.augmentation.draws import draw
from darkroom.augmentation.operations import apply, apply_drawn
from darkroom.augmentation.policy import OPERATIONS, Operation, Policy

GREY = torch.tensor([0.299, 0.587, 0.114])
SOME_STRENGTH = {
    "rotation": (-10.0, 10.0),
    "scale": (0.8, 1.25),
    "aspect": (0.8, 1.25),
    "translation": (-0.2, 0.2),
    "perspective": (0.05, 0.3),
    "crop": (0.6, 0.8),
    "brightness": (0.7, 0.9),
    "contrast": (0.5, 0.8),
    "saturation": (0.2, 0.8),
    "hue": (10.0, 30.0),
    "noise": (0.05, 0.1),
    "erasing": (0.1, 0.2),
    "horizontal_shear": (0.1, 0.3),
    "vertical_shear": (-0.3, -0.1),
    "horizontal_translation": (0.1, 0.3),
    "vertical_translation": (-0.3, -0.1),
    "sharpness": (1.5, 1.9),
    "posterize": (2.0, 4.0),
    "solarize": (0.3, 0.7),
    "blur": (0.05, 0.1),
    "jpeg": (5.0, 50.0),
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(num: int = 6, height: int = 12, width: int = 12, seed: int = 1) -> Tensor:
    return torch.rand(num, 3, height, width, generator=seeded(seed))


def only(name: str, low: float = 0.0, high: float | None = None, probability: float = 1.0) -> Policy:
    return Policy(operations=(Operation(name=name, probability=probability, low=low, high=low if high is None else high),))


def every(probability: float) -> Policy:
    ranges = {name: SOME_STRENGTH.get(name, (0.0, 0.0)) for name in OPERATIONS}
    return Policy(
        operations=tuple(Operation(name=name, probability=probability, low=low, high=high) for name, (low, high) in ranges.items())
    )


def test_nothing_happens_at_probability_zero() -> None:
    batch = images()
    assert torch.equal(apply(every(0.0), batch, seeded()), batch)
    assert torch.equal(apply(Policy(), batch, seeded()), batch)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_image_changes_at_probability_one(name: str) -> None:
    batch = images(num=40)
    changed = apply(only(name, *SOME_STRENGTH.get(name, (0.0, 0.0))), batch, seeded())
    assert changed.shape == batch.shape
    assert (changed != batch).flatten(1).any(dim=1).all()


@pytest.mark.parametrize("name", OPERATIONS)
def test_images_that_draw_nothing_stay_equal_bit_by_bit(name: str) -> None:
    batch = images(num=400)
    changed = apply(only(name, *SOME_STRENGTH.get(name, (0.0, 0.0)), probability=0.3), batch, seeded())
    share = (changed != batch).flatten(1).any(dim=1).float().mean().item()
    assert 0.22 < share < 0.38  # 0.3 give or take 3.5 standard deviations


def one_of(*choices: Operation, num: int = 1) -> Policy:
    return Policy(num_choices=num, choices=choices)


def test_choices_of_which_none_can_happen_change_nothing() -> None:
    batch = images()
    never = one_of(*(operation.model_copy(update={"probability": 0.0}) for operation in every(0.0).operations), num=3)
    assert torch.equal(apply(never, batch, seeded()), batch)


def test_each_image_gets_one_choice_as_often_as_its_probability_says() -> None:
    batch = images(num=600)
    choices = [Operation(name=name, probability=0.25) for name in ("horizontal_flip", "vertical_flip", "grey")]
    result = apply(one_of(*choices), batch, seeded())
    expected = [batch, *(apply(only(choice.name), batch, seeded()) for choice in choices)]
    chosen = torch.stack([(result == one).flatten(1).all(dim=1) for one in expected])
    assert torch.equal(chosen.sum(dim=0), torch.ones(600, dtype=torch.int64))
    assert all(0.18 < share < 0.32 for share in chosen.float().mean(dim=1).tolist())  # 0.25 give or take 3.5 standard deviations


def test_choices_happen_one_after_the_other_in_the_order_drawn() -> None:
    batch = images()
    both = one_of(only("solarize", 0.5, probability=0.5).operations[0], only("brightness", 0.5, probability=0.5).operations[0], num=2)
    draws = draw(both, len(batch), seeded())
    draws[:, -2:, 0] = torch.tensor([[0.1, 0.9], [0.9, 0.1], [0.1, 0.1], [0.9, 0.9], [0.1, 0.9], [0.9, 0.1]])
    dark, inverted = (lambda image: image * 0.5), (lambda image: torch.where(image >= 0.5, 1 - image, image))
    wanted = [dark(inverted(batch[0])), inverted(dark(batch[1])), inverted(inverted(batch[2])), dark(dark(batch[3]))]
    torch.testing.assert_close(apply_drawn(both, batch, draws)[:4], torch.stack(wanted))


def test_choices_change_what_is_already_cropped_and_what_is_not_yet_erased() -> None:
    batch = images(num=20, height=40, width=40)
    both = Policy(operations=only("erasing", 0.25).operations, num_choices=1, choices=only("solarize", 0.0).operations)
    draws = draw(both, len(batch), seeded())
    erased = Policy(operations=both.operations)
    assert torch.equal(apply_drawn(both, batch, draws), apply_drawn(erased, 1 - batch, draws))


def test_strength_of_an_operation_of_two_ends_is_one_of_them() -> None:
    batch = torch.full((200, 3, 4, 4), 0.5)
    ends = Policy(operations=(Operation(name="brightness", probability=1, low=0.5, high=1.5, only_ends=True),))
    levels = apply(ends, batch, seeded())[:, 0, 0, 0]
    assert set(levels.tolist()) == {0.25, 0.75}
    assert 0.37 < (levels > 0.5).float().mean().item() < 0.63


def test_an_image_comes_out_the_same_whichever_are_beside_it() -> None:
    batch, wide = images(num=30), every(0.4)
    rare = tuple(one.model_copy(update={"probability": 0.03}) for one in wide.operations)
    both = wide.model_copy(update={"num_choices": 2, "choices": rare})
    draws = draw(both, len(batch), seeded())
    rows = torch.tensor([7, 3, 21])
    assert torch.equal(apply_drawn(both, batch, draws)[rows], apply_drawn(both, batch[rows], draws[rows]))


def test_policies_without_newer_operations_draw_the_numbers_that_they_always_drew() -> None:
    drawn = draw(Policy(operations=only("noise", 0.1).operations), 3, seeded())
    assert torch.equal(drawn, torch.rand(3, 14, 9, generator=seeded()))


def test_operations_of_neutral_strength_change_nothing() -> None:
    batch = images().mul(255).round().div(255)
    for name, neutral in (("sharpness", 1.0), ("posterize", 8.0), ("solarize", 1.1), ("blur", 0.0)):
        assert torch.equal(apply(only(name, neutral), batch, seeded()), batch), name
    for name in ("horizontal_shear", "vertical_translation"):
        torch.testing.assert_close(apply(only(name, 0.0), batch, seeded()), batch, atol=1e-5, rtol=0)


def test_blur_of_each_image_is_its_own_and_keeps_the_mean_of_a_flat_one() -> None:
    point = torch.zeros(2, 3, 33, 33)
    point[:, :, 16, 16] = 1.0
    policy = Policy(operations=(Operation(name="blur", probability=1, low=1 / 33, high=4 / 33),))
    draws = draw(policy, 2, seeded())
    draws[:, list(OPERATIONS).index("blur"), 1] = torch.tensor([0.0, 1.0])
    peaks = apply_drawn(policy, point, draws)[:, 0, 16, 16]
    torch.testing.assert_close(peaks, torch.tensor([1 / (2 * math.pi), 1 / (2 * math.pi * 16)]), rtol=0.01, atol=0)
    flat = torch.full((1, 3, 5, 1), 0.3)
    torch.testing.assert_close(apply(only("blur", 0.5), flat, seeded()), flat)


def test_jpeg_of_the_best_quality_hardly_changes_a_smooth_image() -> None:
    ramp = torch.linspace(0, 1, 40).expand(1, 3, 24, 40).contiguous()
    assert (apply(only("jpeg", 100), ramp, seeded()) - ramp).abs().max().item() < 2.1 / 255


def test_bytes_give_what_their_shares_of_white_give() -> None:
    values = torch.randint(256, (20, 12, 12, 3), dtype=torch.uint8, generator=seeded()).permute(0, 3, 1, 2)  # as training keeps them
    result = apply(every(0.3), values, seeded())
    assert torch.equal(result, apply(every(0.3), values.float().div(255), seeded()))
    assert result.is_contiguous()
    assert torch.equal(apply(Policy(), values, seeded()), values.float().div(255))


def test_flips_are_exact() -> None:
    batch = images(height=5, width=8)
    assert torch.equal(apply(only("horizontal_flip"), batch, seeded()), batch.flip(3))
    assert torch.equal(apply(only("vertical_flip"), batch, seeded()), batch.flip(2))


@pytest.mark.parametrize(("degrees", "quarters"), [(90, 1), (180, 2), (-90, 3), (0, 0)])
def test_rotation_by_quarters_turns_counter_clockwise(degrees: float, quarters: int) -> None:
    batch = images()
    torch.testing.assert_close(apply(only("rotation", degrees), batch, seeded()), torch.rot90(batch, quarters, (2, 3)), atol=1e-5, rtol=0)


def test_rotation_does_not_squeeze_an_oblong_image() -> None:
    batch = torch.zeros(1, 3, 21, 41)
    batch[:, :, 10, 16:25] = 1.0  # a bar, nine pixels wide, in the middle
    expected = torch.zeros(1, 3, 21, 21)
    expected[:, :, 6:15, 10] = 1.0
    turned = apply(only("rotation", 90), batch, seeded())[:, :, :, 10:31]  # further out, the image is mirrored
    torch.testing.assert_close(turned, expected, atol=1e-4, rtol=0)


def test_translation_by_whole_pixels_moves_right_and_down() -> None:
    batch = images(height=8, width=8)
    moved = apply(only("translation", 0.25), batch, seeded())
    torch.testing.assert_close(moved[:, :, 2:, 2:], batch[:, :, :-2, :-2], atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[:, :, 2:, :2], batch[:, :, :-2, :2].flip(3), atol=1e-5, rtol=0)  # mirrored beyond the border


def test_scale_agrees_with_affine_grid() -> None:
    batch = images()
    theta = torch.tensor([[[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]]).repeat(len(batch), 1, 1)
    expected = F.grid_sample(
        batch, F.affine_grid(theta, list(batch.shape), align_corners=False), padding_mode="reflection", align_corners=False
    )
    torch.testing.assert_close(apply(only("scale", 2.0), batch, seeded()), expected, atol=1e-5, rtol=0)


def test_aspect_widens_and_lowers() -> None:
    batch = torch.zeros(1, 3, 32, 32)
    batch[:, :, 12:20, 12:20] = 1.0
    stretched = apply(only("aspect", 4.0), batch, seeded())[0, 0, 8:24] > 0.5  # further out, the image is mirrored
    assert (int(stretched.any(dim=0).sum()), int(stretched.any(dim=1).sum())) == (16, 4)


def test_crop_of_half_the_side_is_a_window_of_the_image() -> None:
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64).contiguous()
    cropped = apply(only("crop", 0.5), ramp, seeded())[0, 0, 0]
    steps = cropped.diff()[2:-2]
    torch.testing.assert_close(steps, torch.full_like(steps, 0.5 / 63), atol=1e-4, rtol=0)
    assert 0 <= cropped[0] <= 0.5


def test_crop_and_perspective_without_strength_change_nothing() -> None:
    batch = images()
    torch.testing.assert_close(apply(only("crop", 1.0), batch, seeded()), batch, atol=1e-5, rtol=0)
    torch.testing.assert_close(apply(only("perspective", 0.0), batch, seeded()), batch, atol=1e-5, rtol=0)


def test_perspective_pulls_every_corner_inwards_by_its_strength() -> None:
    batch = torch.full((1, 3, 40, 40), 0.2)
    batch[:, :, 10:30, 10:30] = 0.9
    seen = apply(only("perspective", 0.5), batch, seeded())  # all corners alike: the image at half its size
    expected = apply(only("scale", 0.5), batch, seeded())
    torch.testing.assert_close(seen, expected, atol=1e-4, rtol=0)


def test_geometry_composes_into_one_resampling() -> None:
    batch = images()
    both = Policy(operations=(*only("rotation", 90).operations, *only("translation", 0.25).operations))
    turned_then_moved = apply(only("translation", 0.25), torch.rot90(batch, 1, (2, 3)), seeded())
    torch.testing.assert_close(apply(both, batch, seeded()), turned_then_moved, atol=1e-5, rtol=0)


def test_brightness_multiplies() -> None:
    batch = images()
    torch.testing.assert_close(apply(only("brightness", 0.5), batch, seeded()), batch * 0.5)
    torch.testing.assert_close(apply(only("brightness", 1.5), batch, seeded()), (batch * 1.5).clamp(0, 1))


def test_contrast_scales_the_distance_from_the_mean_grey() -> None:
    batch = images()
    level = torch.einsum("nchw,c->n", batch, GREY)[:, None, None, None] / (12 * 12)
    torch.testing.assert_close(apply(only("contrast", 0.25), batch, seeded()), level + 0.25 * (batch - level))


def test_contrast_is_taken_after_brightness() -> None:
    batch = images()
    both = Policy(operations=(*only("brightness", 0.5).operations, *only("contrast", 0.25).operations))
    torch.testing.assert_close(apply(both, batch, seeded()), apply(only("contrast", 0.25), batch * 0.5, seeded()))


def test_saturation_zero_leaves_grey() -> None:
    batch = images()
    grey = torch.einsum("nchw,c->nhw", batch, GREY)[:, None].expand_as(batch)
    torch.testing.assert_close(apply(only("saturation", 0.0), batch, seeded()), grey)


def test_hue_turned_by_a_third_swaps_the_channels_and_keeps_grey() -> None:
    batch = images()
    torch.testing.assert_close(apply(only("hue", 120.0), batch, seeded()), batch.roll(1, dims=1), atol=1e-5, rtol=0)
    grey = batch[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(apply(only("hue", 37.0), grey, seeded()), grey, atol=1e-5, rtol=0)


def test_noise_has_the_standard_deviation_that_was_asked_for() -> None:
    noise = apply(only("noise", 0.1), torch.full((20, 3, 32, 32), 0.5), seeded()) - 0.5
    assert noise.mean().item() == pytest.approx(0, abs=2e-3)
    assert noise.std().item() == pytest.approx(0.1, rel=0.02)


def test_erasing_paints_its_share_in_the_mean_colour() -> None:
    batch = images(num=50, height=40, width=40)
    erased = apply(only("erasing", 0.25), batch, seeded())
    painted = (erased != batch).any(dim=1)
    assert painted.float().mean().item() == pytest.approx(0.25, abs=0.01)
    for image, mask, result in zip(batch, painted, erased, strict=True):
        wanted = image.mean(dim=(1, 2))[:, None].expand(3, int(mask.sum()))
        torch.testing.assert_close(result[:, mask], wanted)
        rows, columns = mask.any(dim=1).sum(), mask.any(dim=0).sum()
        assert int(rows * columns) == int(mask.sum())
        assert 0.4 < rows / columns < 2.5


def test_results_stay_within_zero_and_one_and_the_batch_untouched() -> None:
    batch = images(num=64)
    before = batch.clone()
    result = apply(every(1.0), batch, seeded())
    assert torch.equal(batch, before)
    assert result.is_contiguous()
    assert not math.isnan(result.sum().item())
    assert -1e-6 <= result.min().item() <= result.max().item() <= 1 + 1e-6


def test_same_seed_same_images_other_seed_others() -> None:
    batch = images()
    first, again, other = (apply(every(0.5), batch, seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_images_of_a_batch_draw_independently() -> None:
    batch = images(num=1).repeat(8, 1, 1, 1)
    result = apply(every(1.0), batch, seeded())
    assert len({image.numpy().tobytes() for image in result}) == 8


def test_empty_batch_stays_empty() -> None:
    assert apply(every(1.0), torch.zeros(0, 3, 8, 8), seeded()).shape == (0, 3, 8, 8)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_gpu_agrees_with_cpu() -> None:
    batch = images(num=4)
    quiet = Policy(operations=tuple(operation for operation in every(0.5).operations if operation.name != "noise"))
    on_gpu = apply(quiet, batch.cuda(), seeded()).cpu()
    torch.testing.assert_close(on_gpu, apply(quiet, batch, seeded()), atol=1e-4, rtol=0)
