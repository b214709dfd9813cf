"""Locations of an object store, and where the launcher puts what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.kubeflow.step.uris import Places, launcher_path, restore_folder


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("minio://mlpipeline/v2/artifacts/x", "/minio/mlpipeline/v2/artifacts/x"),
        ("s3://dogs/records?region=eu-central-1", "/s3/dogs/records"),
        ("gs://dogs/a/b", "/gcs/dogs/a/b"),
        ("/data/records", "/data/records"),
    ],
)
def test_location_becomes_the_launchers_path_and_again_itself(location: str, path: str) -> None:
    places = Places()

    assert launcher_path(location) == path
    assert places.local(location) == path
    assert places.remote(path) == location


def test_what_lies_below_an_artifact_is_below_its_location() -> None:
    places = Places()
    places.local("s3://dogs/run/model")
    places.local("s3://dogs/run/model-2")

    assert (
        places.remote("/s3/dogs/run/model/Format-Serving") == "s3://dogs/run/model/Format-Serving"
    )
    assert places.remote("/s3/dogs/run/model-2") == "s3://dogs/run/model-2"
    assert places.remote("/elsewhere") == "/elsewhere"


def test_object_that_marks_a_folder_is_no_artifact(tmp_path: Path) -> None:
    marked, page = tmp_path / "records", tmp_path / "page.html"
    marked.touch()
    page.write_text("<!doctype html>")

    for path in (marked, page, tmp_path / "nothing"):
        restore_folder(str(path))

    assert [*marked.iterdir()] == []
    assert page.read_text() == "<!doctype html>"
    assert not (tmp_path / "nothing").exists()


def test_rehearsal_lets_folders_stand_for_paths_of_a_container() -> None:
    places = Places({"/minio": "/tmp/disk/minio", "/models": "/srv/models"}, ("/models",))

    assert places.local("minio://b/k") == "/tmp/disk/minio/b/k"
    assert places.local("/models/dogs") == "/srv/models/dogs"
    assert places.remote("/srv/models/dogs/17") == "/models/dogs/17"
    assert places.is_read_only("/models/dogs")
    assert not places.is_read_only("minio://b/k")
