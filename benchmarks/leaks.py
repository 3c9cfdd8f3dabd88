"""What the leak test says: of a data set with the defaults, and of pictures under five exposures and small shifts that are split blindly.

`python benchmarks/leaks.py ../shared/data/weather4 ../shared/data/clothing_small/train`

weather4: 0 of 164 tested images (0.0 % to 2.3 %); floor 0.949 as split, 0.938 by clusters.
300 pictures of clothing_small under five exposures, without ties: 98.7 % of 225 (96.2 % to 99.5 %); floor 0.989 and 0.811.
"""

import argparse
import random
import tempfile
from pathlib import Path

from PIL import Image, ImageEnhance

from components.clean.clean import clean
from components.clean.config import CleanConfig
from components.embed.config import EmbedConfig
from components.embed.embed import embed
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from components.split.config import SplitConfig
from components.split.split import split
from darkroom.leaks import read_leaks

PICTURES, EXPOSURES, SHIFT = 30, (0.45, 0.7, 1.0, 1.35, 1.7), 0.04  # of each class; and share of the sides


def make_exposures(source: Path, target: Path) -> None:
    """Writes the first pictures of each class folder, each under every exposure, cut out at another place: `class/000-1.jpg`."""
    rng = random.Random(5)
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        (target / folder.name).mkdir(parents=True)
        for number, path in enumerate(sorted(folder.iterdir())[:PICTURES]):
            with Image.open(path) as opened:
                picture = opened.convert("RGB")
            width, height = round(picture.width * (1 - SHIFT)), round(picture.height * (1 - SHIFT))
            for shot, factor in enumerate(EXPOSURES):
                x, y = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
                cut = picture.crop((x, y, x + width, y + height))
                exposed = ImageEnhance.Brightness(cut).enhance(factor * rng.uniform(0.95, 1.05))
                exposed.save(target / folder.name / f"{number:03d}-{shot}.jpg", quality=88)


def print_leaks(data: Path, place: Path, config: CleanConfig) -> None:
    """Prints what the leak test says of the split of a data set."""
    place.mkdir()
    images, delivered, vectors, cleaned, issues, leaks = (
        place / name for name in ("images", "manifest", "embeddings", "cleaned", "issues", "leaks")
    )
    ingest(data, images, delivered, config=IngestConfig())
    embed(images, vectors, config=EmbedConfig())
    clean(images, delivered, cleaned, issues, config=config, embeddings=vectors)
    split(cleaned, place / "splits", config=SplitConfig(), images=images, embeddings=vectors, leaks=leaks)
    found = read_leaks(leaks)
    assert found
    floor = ", ".join(f"{how} {measures['f1_macro']:.3f}" for how, measures in found.floor.items())
    print(f"{data.name}: {found} leak; f1_macro of the floor {floor}")


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", type=Path, nargs="+", help="data sets; of the last one, pictures under five exposures are made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(options.sources[:-1]):
            print_leaks(data, Path(folder) / str(number), CleanConfig())
        make_exposures(options.sources[-1], Path(folder) / "exposures")
        blind = CleanConfig(near_duplicates="off", same_things="off")
        print_leaks(Path(folder) / "exposures", Path(folder) / "blind", blind)


if __name__ == "__main__":
    main()
