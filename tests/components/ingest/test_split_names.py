"""One list of the names of splits: what a folder, a table and a cell say, and what is not clear."""

import pytest

from components.ingest.split_names import is_unclear, split_in, split_of


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("train", "train Training TRAIN trn seg_train train_images train2017 images_train trainLabels train-set train_data"),
        ("validation", "val valid Validation dev val2017 valid_labels seg_val"),
        ("test", "test Testing TEST tst seg_test test_set labels.test"),
        (None, "eval holdout trainval train_test trains trained cat station train_wagon latest 2017 images"),
    ],
)
def test_what_the_name_of_a_folder_or_of_a_table_says(split, names):
    assert {name: split_in(name) for name in names.split()} == dict.fromkeys(names.split(), split)


def test_a_word_is_a_split_only_as_a_whole():
    assert [split_of(word) for word in ("Train", " dev ", "seg_train", "eval", "")] == ["train", "validation", None, None, None]


def test_words_for_images_held_out_are_unclear():
    assert all(map(is_unclear, ("eval", "Evaluation", "hold-out", "HELD_OUT")))
    assert not any(map(is_unclear, ("train", "test", "cat")))
