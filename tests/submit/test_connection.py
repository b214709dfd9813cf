"""Getting through to a Kubeflow, and what is said where that fails."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.serving.certificates import Authority
from tests.submit.conftest import Dogbreed
from tests.submit.stand_in import Behaviour, StandIn

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (Behaviour(token="right"), "does not let us in (401 Unauthorized). Set DOGBREED_KFP_TOKEN"),
        (
            Behaviour(login_page=True, cookie="a=b"),
            "shows a page for people, most likely to log in",
        ),
        (Behaviour(forbidden=True), "does not let us in (403 Forbidden)"),
        (Behaviour(old=True), "is too old: it has Kubeflow Pipelines' v1beta1 API only"),
        (Behaviour(foreign=True), "answers, but is no Kubeflow Pipelines"),
        (
            Behaviour(multi_user=True),
            "has several users: say whose runs are meant with --namespace",
        ),
    ],
    ids=["token", "login", "forbidden", "old", "foreign", "multi_user"],
)
def test_a_server_that_does_not_do_is_one_line(
    behaviour: Behaviour, said: str, kubeflow: StandIn, dogbreed: Dogbreed
) -> None:
    kubeflow.behaviour = behaviour

    done = dogbreed("runs", "--host", kubeflow.url)

    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (None, "Which Kubeflow? Give --host URL, or set DOGBREED_KFP_HOST"),
        ("ftp://kubeflow", "is not an address such as https://"),
        ("http://kubeflow:many", "is not an address such as https://"),
        ("https://me:secret@kubeflow", "must not hold a password: set DOGBREED_KFP_TOKEN"),
        ("http://no-such-host.invalid", "http://no-such-host.invalid cannot be reached:"),
    ],
)
def test_a_host_that_is_none_is_one_line(host: str | None, said: str, dogbreed: Dogbreed) -> None:
    done = dogbreed("runs", *(["--host", host] if host else []))

    assert done.returncode == (1 if host == "http://no-such-host.invalid" else 2)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "me:secret" not in done.stderr


def test_a_port_on_which_nothing_listens_is_one_line(dogbreed: Dogbreed) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, so nobody else takes it, but not listening
        done = dogbreed("runs", DOGBREED_KFP_HOST=f"http://127.0.0.1:{taken.getsockname()[1]}")

    assert done.returncode == 1
    assert "cannot be reached: [Errno 111] Connection refused. Check --host" in done.stderr


@pytest.mark.parametrize(
    ("behaviour", "variables"),
    [
        (Behaviour(token="right"), {"DOGBREED_KFP_TOKEN": "right"}),
        (Behaviour(token="right"), {"KF_PIPELINES_SA_TOKEN_PATH": "token"}),
        (
            Behaviour(login_page=True, cookie="authservice_session=abc"),
            {"DOGBREED_KFP_COOKIES": "authservice_session=abc"},
        ),
    ],
    ids=["token", "token file", "cookies"],
)
def test_credentials_come_from_the_environment(
    behaviour: Behaviour,
    variables: dict[str, str],
    kubeflow: StandIn,
    dogbreed: Dogbreed,
    tmp_path: Path,
) -> None:
    (tmp_path / "token").write_text("right\n")
    kubeflow.behaviour = behaviour

    done = dogbreed("runs", "--host", kubeflow.url, **variables)

    assert done.returncode == 0, done.stderr
    assert "There are no runs yet." in done.stdout


def test_a_token_that_has_expired_is_said_to_be(kubeflow: StandIn, dogbreed: Dogbreed) -> None:
    kubeflow.behaviour.token = "new"

    done = dogbreed("runs", "--host", kubeflow.url, DOGBREED_KFP_TOKEN="old")

    assert done.returncode == 1
    assert "may have expired: renew DOGBREED_KFP_TOKEN" in done.stderr
    assert "old" not in done.stderr.replace("hold", "")


def test_the_namespace_reaches_every_list(
    kubeflow: StandIn, dogbreed: Dogbreed, package: Path
) -> None:
    kubeflow.behaviour.multi_user = True

    done = dogbreed(
        "submit", package, "--param=data=/data", "--namespace=anna", "--host", kubeflow.url
    )
    listed = dogbreed("runs", "--namespace=anna", "--host", kubeflow.url)

    assert done.returncode == 0, done.stderr
    assert listed.returncode == 0, listed.stderr
    made = [*kubeflow.pipelines.values(), *kubeflow.experiments.values()]
    assert {one["namespace"] for one in made} == {"anna"}


def test_tls_is_checked_against_the_authority_that_is_named(
    dogbreed: Dogbreed, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    pair = authority.pair("localhost")
    with StandIn(pair.certificate, pair.key) as kubeflow:
        unknown = dogbreed("runs", "--host", kubeflow.url)
        named = dogbreed("runs", "--host", kubeflow.url, "--ca", authority.certificate)
        unchecked = dogbreed("runs", "--host", kubeflow.url, "--no-verify")
        plain = dogbreed("runs", "--host", kubeflow.url, "--ca", pair.key)

    assert unknown.returncode == 1
    assert "cannot be trusted" in unknown.stderr
    assert "with --ca" in unknown.stderr
    assert named.returncode == 0, named.stderr
    assert unchecked.returncode == 0, unchecked.stderr
    assert unchecked.stderr == ""
    assert plain.returncode == 1
    assert len(plain.stderr.splitlines()) == 1
