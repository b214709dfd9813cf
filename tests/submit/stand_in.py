"""A stand-in for Kubeflow Pipelines' servers: real HTTP on a free port, everything in memory.

It refuses what the backend refuses: fields that are unknown, packages that do not parse.
"""

from __future__ import annotations

import base64
import datetime
import email
import json
import re
import ssl
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kfp_server_api as models
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from tests.submit.cluster import POD_TEMPLATE, START, Cluster, LiveRun, Thing

_LOGIN = "<!doctype html><html><body><form action='/dex/auth'>Log in</form></body></html>"


@dataclass
class Behaviour(Cluster):
    """How the servers behave beside; tests change it as they go."""

    token: str | None = None
    cookie: str | None = None
    login_page: bool = False
    """Redirects who brings no cookie to a page, as a proxy with Dex does."""
    old: bool = False
    """Knows the v1beta1 API only."""
    foreign: bool = False
    """Is something else altogether."""
    multi_user: bool = False
    forbidden: bool = False
    is_page: bool = False
    """Is the server of the page, which passes on the two main APIs only."""
    outage: int = 0
    """How many requests for a run fail with 503 before the next is answered."""


@dataclass(frozen=True)
class Request:
    """What arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class RefusalError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class StandIn:
    """Use as a context manager.

    Args:
        certificate: PEM file of a certificate, for https.
        key: its key.
    """

    def __init__(self, certificate: Path | None = None, key: Path | None = None) -> None:
        self.behaviour = Behaviour()
        self.requests: list[Request] = []
        self.pipelines: dict[str, Thing] = {}
        self.versions: dict[str, Thing] = {}
        self.experiments: dict[str, Thing] = {}
        self.recurring_runs: dict[str, Thing] = {}
        self.runs: dict[str, LiveRun] = {}
        self._steps: dict[str, list[str]] = {}  # of a version
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stand_in._answer(self)

            do_POST = do_DELETE = do_GET  # noqa: N815 - http.server's names

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://localhost:{self._server.server_port}"

    def __enter__(self) -> StandIn:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def arrived(self, method: str, path: str) -> list[Request]:
        """Returns the requests of that method whose path ends so."""
        return [one for one in self.requests if one.method == method and one.path.endswith(path)]

    # Answers

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        content = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = _decoded(content, headers.get("content-type", ""))
        request = Request(handler.command, url.path, query, headers, body)
        self.requests.append(request)
        try:
            status, kind, answer = self._route(request)
        except RefusalError as refusal:
            status, kind = refusal.status, "application/json"
            said = {"error": refusal.message, "code": refusal.code, "message": refusal.message}
            answer = json.dumps(said)
        handler.send_response(status)
        if status == 302:
            handler.send_header("Location", "/dex/auth")
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(answer.encode())))
        handler.end_headers()
        handler.wfile.write(answer.encode())

    def _route(self, request: Request) -> tuple[int, str, str]:
        behaviour, path = self.behaviour, request.path
        if path == "/dex/auth":
            return 200, "text/html; charset=utf-8", _LOGIN
        if behaviour.login_page and request.headers.get("cookie") != behaviour.cookie:
            return 302, "text/html", ""
        wanted = f"Bearer {behaviour.token}"
        if behaviour.token and request.headers.get("authorization") != wanted:
            raise RefusalError(401, 16, "Request header error: there is no user identity")
        if behaviour.foreign:
            return 404, "text/plain", "404 page not found"
        if behaviour.old and "v2beta1" in path:
            raise RefusalError(404, 5, "Not Found")
        if behaviour.is_page and not re.match("/apis/v[12]beta1/|/k8s/", path):
            return 200, "text/html", "<!doctype html><title>Kubeflow Pipelines</title>"
        for method, pattern, answer in self._routes():
            if method == request.method and (found := re.fullmatch(pattern, path)):
                result = answer(request, *found.groups())
                if isinstance(result, str):
                    return 200, "text/plain", result
                return 200, "application/json", json.dumps(result)
        raise RefusalError(404, 5, "Not Found")

    def _routes(self) -> list[tuple[str, str, Callable[..., Any]]]:
        v2, node = "/apis/v2beta1", "runs/([^/]+)/nodes/([^/]+)"
        return [
            ("GET", "/apis/v[12]beta1/healthz", self._health),
            ("GET", f"{v2}/(pipelines|experiments|recurringruns)", self._list),
            ("POST", f"{v2}/(pipelines|experiments)", self._create),
            ("POST", f"{v2}/pipelines/upload_version", self._upload_version),
            ("GET", f"{v2}/pipelines/([^/]+)/versions", self._list_versions),
            ("GET", f"{v2}/pipelines/([^/]+)/versions/([^/]+)", self._get_version),
            ("GET", f"{v2}/runs", self._list_runs),
            ("POST", f"{v2}/runs", self._create_run),
            ("GET", f"{v2}/runs/([^/:]+)", self._get_run),
            ("POST", f"{v2}/runs/([^/:]+):terminate", self._terminate_run),
            ("POST", f"{v2}/recurringruns", self._create_recurring_run),
            ("DELETE", f"{v2}/recurringruns/([^/]+)", self._delete_recurring_run),
            ("GET", "/apis/v1beta1/runs/([^/:]+)", self._get_workflow),
            ("GET", f"/apis/v1alpha1/{node}/log", self._pod_log),
            ("GET", f"{v2}/{node}/artifacts/main-logs:read", self._archived_log),
            ("GET", "/k8s/pod/logs", self._page_pod_log),
        ]

    def _health(self, request: Request) -> Thing:
        return {"multi_user": self.behaviour.multi_user}

    # What has a name

    def _list(self, request: Request, kind: str) -> Thing:
        self._check_namespace(request.query.get("namespace"))
        kind = kind.replace("gr", "g_r")
        key = "recurringRuns" if kind == "recurring_runs" else kind  # the API's only camel
        return {key: _filtered(request, getattr(self, kind))}

    def _create(self, request: Request, kind: str) -> Thing:
        word = kind.removesuffix("s")
        made = _checked(request.body, getattr(models, f"V2beta1{word.capitalize()}"))
        self._check_namespace(made.get("namespace"))
        made |= {f"{word}_id": _new_id(), "created_at": self._now()}
        getattr(self, kind)[made[f"{word}_id"]] = made
        return made

    def _upload_version(self, request: Request) -> Thing:
        name, pipeline_id = request.query["name"], request.query["pipelineid"]
        if pipeline_id not in self.pipelines:
            raise RefusalError(404, 5, f"Pipeline {pipeline_id} not found")
        version_id = _new_id()
        self._steps[version_id] = _compile(request.body)
        self.versions[version_id] = {
            "pipeline_id": pipeline_id, "pipeline_version_id": version_id, "display_name": name,
            "created_at": self._now(),
        }  # fmt: skip
        return self.versions[version_id]

    def _list_versions(self, request: Request, pipeline_id: str) -> Thing:
        return {"pipeline_versions": _filtered(request, self.versions)}

    def _get_version(self, request: Request, pipeline_id: str, version_id: str) -> Thing:
        if version_id not in self.versions:
            raise RefusalError(404, 5, f"Version {version_id} not found")
        return self.versions[version_id]

    def _create_recurring_run(self, request: Request) -> Thing:
        made = _checked(request.body, models.V2beta1RecurringRun)
        self._steps_of(made)
        if len(made["trigger"]["cron_schedule"]["cron"].split()) != 6:
            raise RefusalError(400, 3, "Schedule cron is not supported")
        made |= {"recurring_run_id": _new_id()}
        self.recurring_runs[made["recurring_run_id"]] = made
        return made

    def _delete_recurring_run(self, request: Request, recurring_run_id: str) -> Thing:
        del self.recurring_runs[recurring_run_id]
        return {}

    # Runs

    def _list_runs(self, request: Request) -> Thing:
        experiment = request.query.get("experiment_id")
        if experiment is None:
            self._check_namespace(request.query.get("namespace"))
        seen = {run_id: run.seen(self.behaviour) for run_id, run in self.runs.items()}
        runs = _filtered(request, seen)
        runs = [one for one in runs if experiment in (None, one["experiment_id"])]
        if request.query.get("sort_by") == "created_at desc":
            runs.sort(key=lambda one: one["created_at"], reverse=True)
        return {"runs": runs[: int(request.query.get("page_size", 10))]}

    def _create_run(self, request: Request) -> Thing:
        made = _checked(request.body, models.V2beta1Run)
        steps = self._steps_of(made)
        made |= {"run_id": _new_id(), "created_at": self._now()}
        self.runs[made["run_id"]] = LiveRun(made, steps, f"toys-{len(self.runs):05}")
        return self.runs[made["run_id"]].seen(self.behaviour)

    def _get_run(self, request: Request, run_id: str) -> Thing:
        run = self._run(run_id)
        if self.behaviour.outage:
            self.behaviour.outage -= 1
            raise RefusalError(503, 14, "upstream connect error")
        run.look(self.behaviour)
        return run.seen(self.behaviour)

    def _terminate_run(self, request: Request, run_id: str) -> Thing:
        self._run(run_id).cancelled = True
        return {}

    def _run(self, run_id: str) -> LiveRun:
        if run_id not in self.runs:
            raise RefusalError(404, 5, f"ResourceNotFoundError: Run {run_id} not found.")
        return self.runs[run_id]

    def _get_workflow(self, request: Request, run_id: str) -> Thing:
        kind = "pipeline_manifest" if self.behaviour.copy_gone else "workflow_manifest"
        manifest = self._run(run_id).manifest(self.behaviour)
        return {"run": {"id": run_id}, "pipeline_runtime": {kind: manifest}}

    # Logs

    def _log(self, run_id: str, pod: str, kept: bool) -> str | None:
        """Returns a pod's log, from the pod or where it is `kept`."""
        run = self._run(run_id)
        prefix, _, number = pod.rpartition("-")
        named = prefix in (f"{run.workflow}-{POD_TEMPLATE}", run.workflow)
        there = named and (kept or not self.behaviour.pods_gone)
        return run.log(self.behaviour, number) if there else None

    def _pod_log(self, request: Request, run_id: str, pod: str) -> str:
        log = self._log(run_id, pod, self.behaviour.archive)
        if log is None:  # the real one has said by then that it is a success
            said = f"BadRequestError: Failed to read logs for run {run_id}: pod {pod} not found"
            return json.dumps({"error_message": said, "error_details": said})
        return log

    def _page_pod_log(self, request: Request) -> str:
        log = self._log(request.query["runid"], request.query["podname"], False)
        if log is None:
            raise RefusalError(500, 13, "Could not get main container logs: Error: not found")
        return log

    def _archived_log(self, request: Request, run_id: str, node_id: str) -> Thing:
        log = self._log(run_id, node_id, True)
        if log is None or not self.behaviour.archive:
            raise RefusalError(404, 5, "artifact not found")
        return {"data": base64.b64encode(log.encode()).decode()}

    # What the routes share

    def _check_namespace(self, namespace: str | None) -> None:
        if self.behaviour.forbidden:
            raise RefusalError(403, 7, "PermissionDenied: User is not authorized")
        if self.behaviour.multi_user and not namespace:
            raise RefusalError(400, 3, "Invalid input error: namespace is empty in multi-user mode")

    def _steps_of(self, body: Thing) -> list[str]:
        if body.get("experiment_id") not in self.experiments:
            raise RefusalError(404, 5, "Experiment not found")
        version_id = body["pipeline_version_reference"]["pipeline_version_id"]
        if version_id not in self._steps:
            raise RefusalError(404, 5, "Pipeline version not found")
        return self._steps[version_id]

    def _now(self) -> str:
        return (START + datetime.timedelta(milliseconds=len(self.requests))).isoformat()


def _compile(content: bytes) -> list[str]:
    """Refuses what the backend refuses at an upload, and returns the steps, in order."""
    pipeline, *_platform = yaml.safe_load_all(content)
    try:
        json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
    except json_format.ParseError as error:
        raise RefusalError(400, 3, f"invalid v2 pipeline spec: {error}") from None
    tasks, done = pipeline["root"]["dag"]["tasks"], []
    while len(done) < len(tasks):
        ready = [name for name in tasks if set(tasks[name].get("dependentTasks", ())) <= set(done)]
        done += [name for name in ready if name not in done]
    return done


def _checked(body: Thing, model: Any) -> Thing:
    """Refuses fields that the message does not have, as protojson does."""
    unknown = set(body) - set(model.attribute_map.values())
    if unknown:
        raise RefusalError(400, 3, f"unknown field {sorted(unknown)}")
    return dict(body)


def _filtered(request: Request, things: dict[str, Thing]) -> list[Thing]:
    found = list(things.values())
    for one in json.loads(request.query.get("filter", "{}")).get("predicates", ()):
        exact, key, text = one["operation"] == "EQUALS", one["key"], one["stringValue"]
        found = [each for each in found if (text == each[key] if exact else text in each[key])]
    return found


def _decoded(content: bytes, content_type: str) -> Any:
    if content_type.startswith("multipart/form-data"):
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        message = email.message_from_bytes(head + content)
        return message.get_payload()[0].get_payload(decode=True)  # type: ignore[union-attr,index]
    return json.loads(content) if content.strip() else None


def _new_id() -> str:
    return str(uuid.uuid4())
