"""A command works in the project, wherever it is started."""

from pathlib import Path

import pytest

from pipelines.options import DEFAULT_PARAMS
from pipelines.project import bundle_name, find_project, in_project


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """A project with a folder in it, a store without settings, a checkout of this code, and a folder that is none of these."""
    for name in ("project/photos/day one", "store/below", "checkout", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("project/params.yaml", "project/photos/mlflow.db", "store/mlflow.db", "checkout/params.yaml"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("here", "project"),
    [
        ("project", "project"),
        ("project/photos", "project"),  # its settings go before a store that a mistake has left
        ("project/photos/day one", "project"),
        ("store/below", "store"),
        ("elsewhere", "checkout"),
    ],
)
def test_the_project_is_found_upward_and_else_beside_the_code(places: Path, here: str, project: str) -> None:
    assert find_project(places / here, places / "checkout") == places / project


@pytest.mark.parametrize("code", [None, "store"])
def test_where_there_is_none_a_command_stays_where_it_is(places: Path, code: str | None) -> None:
    assert find_project(places / "elsewhere", places / code if code else None) == places / "elsewhere"


def test_what_was_typed_is_meant_from_where_it_was_typed(
    places: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[object] = []

    @in_project
    def command(data: Path | None = None, images: list[Path] | None = None, name: str = "", params: Path = DEFAULT_PARAMS) -> None:
        given.extend([Path.cwd(), data, images, name, params])

    monkeypatch.chdir(places / "project" / "photos")
    command(data=Path("../photos"), images=[Path("a.png"), Path("/b.png")], name="day one", params=DEFAULT_PARAMS)
    here = places / "project" / "photos"
    assert given == [places / "project", here / "../photos", [here / "a.png", Path("/b.png")], "day one", DEFAULT_PARAMS]
    assert capsys.readouterr().err == f"note: works in the project {places / 'project'}\n"
    given.clear()
    command(data=Path("photos"))
    command(data=Path("git+https://host/images.git@v1#data"))
    assert given == [
        places / "project", Path("photos"), None, "", DEFAULT_PARAMS,
        places / "project", Path("git+https://host/images.git@v1#data"), None, "", DEFAULT_PARAMS,
    ]  # fmt: skip
    assert capsys.readouterr().err == ""


def test_a_models_folder_is_named_from_the_root(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(places)
    (places / "bundle").mkdir()
    (places / "bundle/model.json").touch()
    assert [bundle_name(text) for text in ("bundle", "store", "./store", "digits@champion", "../gone", "")] == [
        str(places / "bundle"),
        "store",  # a folder of something else hides no model of its name
        str(places / "store"),
        "digits@champion",
        str(places / "../gone"),
        "",
    ]
