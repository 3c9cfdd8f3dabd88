from pathlib import Path

import pytest

from darkroom.system.errors import InputError
from pipelines.run import image


@pytest.fixture
def code(tmp_path: Path) -> Path:
    for name in ("components/a.py", "components/__pycache__/a.pyc", "pipelines/b.py", "Dockerfile", "requirements.lock", "params.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize("name", ["components/a.py", "pipelines/b.py", "Dockerfile", "requirements.lock"])
def test_what_the_image_is_made_of_is_in_its_hash(code: Path, name: str) -> None:
    before = image.code_hash("requirements.lock", code)
    (code / name).write_text("changed")
    changed = image.code_hash("requirements.lock", code)
    assert changed != before
    (code / "components" / "new.py").write_text("")
    assert image.code_hash("requirements.lock", code) != changed


@pytest.mark.parametrize("name", ["params.yaml", "components/__pycache__/a.pyc", "README.md"])
def test_what_changes_no_step_is_not(code: Path, name: str) -> None:
    before = image.code_hash("requirements.lock", code)
    (code / name).write_text("changed")
    assert image.code_hash("requirements.lock", code) == before


def test_without_an_image_the_sentence_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "RECORD", tmp_path / "image")
    with pytest.raises(InputError, match="run `make image`"):
        image.recorded_image()


def test_a_lock_that_is_not_there_is_named(code: Path) -> None:
    with pytest.raises(InputError, match=r"^LOCK is 'requirements-cpu\.lock': there is no such file"):
        image.build("", "requirements-cpu.lock", "darkroom", "", code)


def test_without_a_client_that_can_build_the_sentence_says_what_was_found(
    tmp_path: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code / "pyproject.toml").write_text('[project]\nversion = "1"\n')
    old = tmp_path / "bin" / "docker"
    old.parent.mkdir()
    old.write_text('#!/bin/sh\n[ "$1" = version ] && echo 28.2.2\nexit 1\n')
    old.chmod(0o755)
    monkeypatch.setattr(image, "_commit", lambda root: "unknown")
    monkeypatch.setenv("PATH", str(old.parent))
    with pytest.raises(InputError, match=rf"no docker client can build the image \(found {old}\): install Docker with its buildx plugin"):
        image.build("", "requirements.lock", "darkroom", "", code)


def test_what_was_built_is_remembered_and_a_failure_is_not(tmp_path: Path, code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code / "pyproject.toml").write_text('[project]\nversion = "1.2"\n')
    client = tmp_path / "bin" / "docker"
    client.parent.mkdir()
    client.write_text(f"""#!/bin/sh
[ "$1" = build ] || exit 0
[ "$DOCKER_BUILDKIT" = 1 ] || exit 9
echo "$@" > {tmp_path}/words
echo sha256:abc > "$3"
[ ! -e {tmp_path}/fail ] || exit 3
""")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(client.parent), prepend=":")
    monkeypatch.setattr(image, "RECORD", tmp_path / "build" / "image")
    assert image.build("debian", "requirements.lock", "darkroom", "--network host", code) == "sha256:abc"
    assert image.recorded_image() == "sha256:abc"
    words = (tmp_path / "words").read_text().strip()
    for expected in ("--tag darkroom", "BASE=debian", "LOCK=requirements.lock", "VERSION=1.2", "COMMIT=unknown", "--network host"):
        assert expected in words
    assert words.endswith(str(code))
    image.RECORD.unlink()
    (tmp_path / "fail").touch()
    with pytest.raises(InputError, match="`docker build` ended with status 3"):
        image.build("", "requirements.lock", "darkroom", "", code)
    assert not image.RECORD.exists()


def test_a_certificate_and_pips_settings_are_passed_on_as_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_CERT", "SSL_CERT_FILE", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert image._secrets() == []
    for name in ("ca.pem", "pip.conf"):
        (tmp_path / name).write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    expected = ["--secret", f"id=ca_bundle,src={tmp_path}/ca.pem", "--secret", f"id=pip_config,src={tmp_path}/pip.conf"]
    assert image._secrets() == expected
