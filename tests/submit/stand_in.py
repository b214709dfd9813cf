"""A stand-in for Kubeflow Pipelines' servers: real HTTP on a free port, everything in memory.

Its answers are made of kfp-server-api's models, and a run's tasks look as the backend (2.16) tells
them: helpers among them, without pods' names, with Argo's node identifiers as children.
"""

from __future__ import annotations

import datetime
import email
import json
import re
import ssl
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kfp_server_api as models
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

_START = datetime.datetime(2026, 11, 21, 2, 0, tzinfo=datetime.timezone.utc)
_LOGIN = "<!doctype html><html><body><form action='/dex/auth'>Log in</form></body></html>"
_NAMESPACE = "kubeflow"


@dataclass
class Behaviour:
    """How the server and its runs behave; tests change it as they go."""

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
    hold_at: str | None = None
    """A step that does not end."""
    logs: dict[str, str] = field(default_factory=dict)
    reused: set[str] = field(default_factory=set)
    failing: dict[str, str] = field(default_factory=dict)
    """What Argo says of a failed step, by step."""
    tries: dict[str, int] = field(default_factory=dict)
    pods_gone: bool = False


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


@dataclass
class _LiveRun:
    model: models.V2beta1Run
    steps: list[str]
    workflow: str
    tick: int = 0  # two a step: it begins, it ends
    cancelled: bool = False


class StandIn:
    """Use as a context manager.

    Args:
        certificate: PEM file of a certificate, for https.
        key: its key.
    """

    def __init__(self, certificate: Path | None = None, key: Path | None = None) -> None:
        self.behaviour = Behaviour()
        self.requests: list[Request] = []
        self.pipelines: dict[str, models.V2beta1Pipeline] = {}
        self.versions: dict[str, models.V2beta1PipelineVersion] = {}
        self.experiments: dict[str, models.V2beta1Experiment] = {}
        self.recurring_runs: dict[str, models.V2beta1RecurringRun] = {}
        self.runs: dict[str, _LiveRun] = {}
        self._tasks: dict[str, dict[str, Any]] = {}
        self._json = models.ApiClient().sanitize_for_serialization
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stand_in._answer(self)

            do_POST = do_DELETE = do_GET  # noqa: N815 - http.server's names

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://localhost:{self._server.server_port}"

    def __enter__(self) -> StandIn:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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
        request = Request(
            handler.command,
            url.path,
            {name: values[0] for name, values in parse_qs(url.query).items()},
            headers,
            _decoded(content, headers.get("content-type", "")),
        )
        self.requests.append(request)
        try:
            status, kind, answer = self._route(request)
        except RefusalError as refusal:
            status, kind = refusal.status, "application/json"
            answer = json.dumps(
                {"error": refusal.message, "code": refusal.code, "message": refusal.message}
            )
        body = answer.encode()
        handler.send_response(status)
        if status == 302:
            handler.send_header("Location", "/dex/auth")
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

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
                return 200, "application/json", json.dumps(self._json(result))
        raise RefusalError(404, 5, "Not Found")

    def _routes(self) -> list[tuple[str, str, Callable[..., Any]]]:
        v2 = "/apis/v2beta1"
        return [
            ("GET", f"{v2}/healthz", self._health),
            ("GET", "/apis/v1beta1/healthz", self._health),
            ("GET", f"{v2}/pipelines", self._list_pipelines),
            ("POST", f"{v2}/pipelines", self._create_pipeline),
            ("POST", f"{v2}/pipelines/upload_version", self._upload_version),
            ("GET", f"{v2}/pipelines/([^/]+)/versions", self._list_versions),
            ("GET", f"{v2}/pipelines/([^/]+)/versions/([^/]+)", self._get_version),
            ("GET", f"{v2}/experiments", self._list_experiments),
            ("POST", f"{v2}/experiments", self._create_experiment),
            ("GET", f"{v2}/runs", self._list_runs),
            ("POST", f"{v2}/runs", self._create_run),
            ("GET", f"{v2}/runs/([^/:]+)", self._get_run),
            ("POST", f"{v2}/runs/([^/:]+):terminate", self._terminate_run),
            ("GET", f"{v2}/recurringruns", self._list_recurring_runs),
            ("POST", f"{v2}/recurringruns", self._create_recurring_run),
            ("DELETE", f"{v2}/recurringruns/([^/]+)", self._delete_recurring_run),
            ("GET", "/apis/v1beta1/runs/([^/:]+)", self._get_workflow),
            ("GET", "/apis/v1alpha1/runs/([^/]+)/nodes/([^/]+)/log", self._pod_log),
            ("GET", "/k8s/pod/logs", self._page_pod_log),
        ]

    def _health(self, request: Request) -> Any:
        return models.V2beta1GetHealthzResponse(multi_user=self.behaviour.multi_user)

    # Pipelines

    def _list_pipelines(self, request: Request) -> Any:
        self._check_namespace(request.query.get("namespace"))
        found = _filtered(request, list(self.pipelines.values()))
        return models.V2beta1ListPipelinesResponse(pipelines=found, total_size=len(found))

    def _create_pipeline(self, request: Request) -> Any:
        body = _checked(request.body, models.V2beta1Pipeline)
        self._check_namespace(body.get("namespace"))
        if any(one.display_name == body["display_name"] for one in self.pipelines.values()):
            raise RefusalError(409, 6, "AlreadyExists: a pipeline of that name")
        made = models.V2beta1Pipeline(**body, pipeline_id=_new_id(), created_at=self._now())
        self.pipelines[made.pipeline_id] = made
        return made

    def _upload_version(self, request: Request) -> Any:
        name, pipeline_id = request.query["name"], request.query["pipelineid"]
        if pipeline_id not in self.pipelines:
            raise RefusalError(404, 5, f"Pipeline {pipeline_id} not found")
        if any(one.display_name == name for one in self._versions_of(pipeline_id)):
            raise RefusalError(409, 6, "AlreadyExists: a version of that name")
        tasks = _compile(request.body)
        made = models.V2beta1PipelineVersion(
            pipeline_id=pipeline_id,
            pipeline_version_id=_new_id(),
            display_name=name,
            created_at=self._now(),
        )
        self.versions[made.pipeline_version_id] = made
        self._tasks[made.pipeline_version_id] = tasks
        return made

    def _list_versions(self, request: Request, pipeline_id: str) -> Any:
        found = _filtered(request, self._versions_of(pipeline_id))
        return models.V2beta1ListPipelineVersionsResponse(
            pipeline_versions=found, total_size=len(found)
        )

    def _get_version(self, request: Request, pipeline_id: str, version_id: str) -> Any:
        if version_id not in self.versions:
            raise RefusalError(404, 5, f"Version {version_id} not found")
        return self.versions[version_id]

    def _versions_of(self, pipeline_id: str) -> list[models.V2beta1PipelineVersion]:
        return [one for one in self.versions.values() if one.pipeline_id == pipeline_id]

    # Experiments and recurring runs

    def _list_experiments(self, request: Request) -> Any:
        self._check_namespace(request.query.get("namespace"))
        found = _filtered(request, list(self.experiments.values()))
        return models.V2beta1ListExperimentsResponse(experiments=found, total_size=len(found))

    def _create_experiment(self, request: Request) -> Any:
        body = _checked(request.body, models.V2beta1Experiment)
        self._check_namespace(body.get("namespace"))
        made = models.V2beta1Experiment(**body, experiment_id=_new_id())
        self.experiments[made.experiment_id] = made
        return made

    def _list_recurring_runs(self, request: Request) -> Any:
        self._check_namespace(request.query.get("namespace"))
        found = _filtered(request, list(self.recurring_runs.values()))
        return models.V2beta1ListRecurringRunsResponse(recurring_runs=found)

    def _create_recurring_run(self, request: Request) -> Any:
        body = _checked(request.body, models.V2beta1RecurringRun)
        self._check_runnable(body)
        if len(body["trigger"]["cron_schedule"]["cron"].split()) != 6:
            raise RefusalError(400, 3, "Schedule cron is not supported")
        made = models.V2beta1RecurringRun(**body, recurring_run_id=_new_id())
        self.recurring_runs[made.recurring_run_id] = made
        return made

    def _delete_recurring_run(self, request: Request, recurring_run_id: str) -> Any:
        del self.recurring_runs[recurring_run_id]
        return {}

    # Runs

    def _list_runs(self, request: Request) -> Any:
        experiment = request.query.get("experiment_id")
        if experiment is None:
            self._check_namespace(request.query.get("namespace"))
        runs = [self._seen(one) for one in self.runs.values()]
        runs = [one for one in runs if experiment in (None, one.experiment_id)]
        runs.sort(key=lambda one: one.created_at, reverse="desc" in request.query["sort_by"])
        return models.V2beta1ListRunsResponse(runs=runs[: int(request.query["page_size"])])

    def _create_run(self, request: Request) -> Any:
        body = _checked(request.body, models.V2beta1Run)
        tasks = self._check_runnable(body)
        number = len(self.runs)
        model = models.V2beta1Run(
            **{**body, "pipeline_version_reference": self._reference(body)},
            run_id=_new_id(),
            created_at=self._now(),
            state="PENDING",
        )
        self.runs[model.run_id] = _LiveRun(model, list(tasks), f"toys-{number:05}")
        return self._seen(self.runs[model.run_id])

    def _get_run(self, request: Request, run_id: str) -> Any:
        run = self._run(run_id)
        if self.behaviour.outage:
            self.behaviour.outage -= 1
            raise RefusalError(503, 14, "upstream connect error")
        if self.behaviour.hold_at is None or self.behaviour.hold_at != self._at_work(run):
            run.tick += 1
        return self._seen(run)

    def _terminate_run(self, request: Request, run_id: str) -> Any:
        self._run(run_id).cancelled = True
        return {}

    def _run(self, run_id: str) -> _LiveRun:
        if run_id not in self.runs:
            raise RefusalError(404, 5, f"ResourceNotFoundError: Run {run_id} not found.")
        return self.runs[run_id]

    def _at_work(self, run: _LiveRun) -> str | None:
        index, begun = divmod(run.tick, 2)
        return run.steps[index] if begun and index < len(run.steps) else None

    def _ended(self, run: _LiveRun) -> list[str]:
        """Lists the steps that have ended; nothing runs after one that failed."""
        ended = []
        for step in run.steps[: run.tick // 2]:
            ended.append(step)
            if step in self.behaviour.failing:
                break
        return ended

    def _failed(self, run: _LiveRun) -> str | None:
        return next((one for one in self._ended(run) if one in self.behaviour.failing), None)

    def _seen(self, run: _LiveRun) -> models.V2beta1Run:
        ended, failed, at_work = self._ended(run), self._failed(run), self._at_work(run)
        state = "RUNNING" if run.tick else "PENDING"
        if failed:
            state, at_work = "FAILED", None
        elif run.cancelled:
            state, at_work = "CANCELED", None
        elif len(ended) == len(run.steps):
            state = "SUCCEEDED"
        run.model.state = state
        done = state not in ("RUNNING", "PENDING")
        run.model.finished_at = self._time(run.tick) if done else self._time(None)
        tasks = [self._task(run.workflow, state, 0, None), self._task("root", state, 0, None)]
        tasks.append(self._task("root-driver", "SUCCEEDED", 0, 0))
        for index, step in enumerate(run.steps):
            if step in ended or step == at_work:
                begun, over = 2 * index, 2 * index + 1 if step in ended else None
                word = "RUNNING" if over is None else "SUCCEEDED"
                word = "FAILED" if step == failed else word
                tasks.append(self._task(f"{step}-driver", "SUCCEEDED", begun, begun))
                child = f"{run.workflow}-{index}1"
                tasks.append(self._task(step, word, begun, over, child))
                if step not in self.behaviour.reused:
                    tasks.append(self._task("executor", word, begun, over))
            elif done:
                tasks.append(self._task(step, None, None, None))  # Argo's Omitted has no state here
        run.model.run_details = models.V2beta1RunDetails(task_details=tasks)
        return run.model

    def _task(
        self, name: str, state: str | None, begun: int | None, over: int | None, *children: str
    ) -> models.V2beta1PipelineTaskDetail:
        return models.V2beta1PipelineTaskDetail(
            task_id=_new_id(),
            display_name=name,
            state=state,
            start_time=self._time(begun),
            end_time=self._time(over),
            child_tasks=[models.PipelineTaskDetailChildTask(pod_name=one) for one in children],
        )

    def _get_workflow(self, request: Request, run_id: str) -> Any:
        run = self._run(run_id)
        nodes = [self._node(run, "00", run.workflow, "DAG", "entrypoint", self._seen(run).state)]
        for task in run.model.run_details.task_details:
            if task.display_name not in run.steps or task.state is None:
                continue
            step, index = task.display_name, run.steps.index(task.display_name)
            inner = f"{index}0"
            nodes.append(
                self._node(run, inner, step, "DAG", "retry-system-container-executor", task.state)
            )
            if step in self.behaviour.reused:
                nodes.append(
                    self._node(run, f"{index}1", "executor", "Skipped", "", "Skipped", inner)
                )
                continue
            tries = self.behaviour.tries.get(step, 1)
            for one in range(tries):
                last = one == tries - 1
                nodes.append(
                    self._node(
                        run,
                        f"{index}{one + 1}",
                        f"executor({one})",
                        "Pod",
                        "retry-system-container-impl",
                        task.state if last else "Failed",
                        inner,
                        self.behaviour.failing.get(step, "") if last else "Error (exit code 1)",
                        one,
                    )
                )
        workflow = {
            "metadata": {"name": run.workflow, "namespace": _NAMESPACE},
            "status": {"nodes": {node["id"]: node for node in nodes}},
        }
        manifest = json.dumps(workflow)
        return {"run": {"id": run_id}, "pipeline_runtime": {"workflow_manifest": manifest}}

    def _node(
        self, run: _LiveRun, number: str, name: str, kind: str, template: str, state: str,
        boundary: str = "", message: str = "", second: int = 0,
    ) -> dict[str, Any]:  # fmt: skip
        return {
            "id": f"{run.workflow}-{number}",
            "name": f"{run.workflow}.root.{name}",
            "displayName": name,
            "type": kind,
            "templateName": template,
            "phase": state.capitalize(),
            "message": message,
            "boundaryID": f"{run.workflow}-{boundary}",
            "startedAt": f"2026-11-21T02:00:{second:02}Z",
        }

    def _pod_log(self, request: Request, run_id: str, pod: str) -> Any:
        run = self._run(run_id)
        found = re.fullmatch(rf"{run.workflow}-retry-system-container-impl-(\d)(\d)", pod)
        if found is None or self.behaviour.pods_gone:
            raise RefusalError(500, 13, f'InternalServerError: pods "{pod}" not found')
        step = run.steps[int(found[1])]
        log = self.behaviour.logs.get(step, f"{step} at work\n")
        tries = self.behaviour.tries.get(step, 1)
        return log if int(found[2]) == tries else f"{step}, try {found[2]}, broke down\n"

    def _page_pod_log(self, request: Request) -> Any:
        if not request.query.get("podname"):
            raise RefusalError(400, 3, "podname argument is required")
        return self._pod_log(request, request.query["runid"], request.query["podname"])

    # What the routes share

    def _check_namespace(self, namespace: str | None) -> None:
        if self.behaviour.forbidden:
            raise RefusalError(403, 7, "PermissionDenied: User is not authorized")
        if self.behaviour.multi_user and not namespace:
            raise RefusalError(400, 3, "Invalid input error: namespace is empty in multi-user mode")

    def _check_runnable(self, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("experiment_id") not in self.experiments:
            raise RefusalError(404, 5, "Experiment not found")
        tasks = self._tasks.get(body["pipeline_version_reference"]["pipeline_version_id"])
        if tasks is None:
            raise RefusalError(404, 5, "Pipeline version not found")
        return tasks

    def _reference(self, body: dict[str, Any]) -> models.V2beta1PipelineVersionReference:
        return models.V2beta1PipelineVersionReference(**body["pipeline_version_reference"])

    def _now(self) -> datetime.datetime:
        return _START + datetime.timedelta(minutes=len(self.requests))

    def _time(self, tick: int | None) -> datetime.datetime:
        if tick is None:
            return datetime.datetime(1, 1, 1, tzinfo=datetime.timezone.utc)
        return _START + datetime.timedelta(seconds=1.5 * tick)


def _compile(content: bytes) -> dict[str, Any]:
    """Refuses what the backend refuses at an upload, and returns the tasks, in order."""
    pipeline, *_platform = yaml.safe_load_all(content)
    try:
        json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
    except json_format.ParseError as error:
        raise RefusalError(400, 3, f"invalid v2 pipeline spec: {error}") from None
    if pipeline["schemaVersion"] != "2.1.0":
        raise RefusalError(400, 3, "KFP only supports schema version 2.1.0")
    tasks: dict[str, Any] = pipeline["root"]["dag"]["tasks"]
    done: dict[str, Any] = {}
    while len(done) < len(tasks):
        for name, task in tasks.items():
            if name not in done and set(task.get("dependentTasks", ())) <= set(done):
                done[name] = task
    return done


def _checked(body: dict[str, Any], model: Any) -> dict[str, Any]:
    """Refuses fields that the message does not have, as protojson does."""
    unknown = set(body) - set(model.attribute_map.values())
    if unknown:
        raise RefusalError(400, 3, f"unknown field {sorted(unknown)}")
    return body


def _filtered(request: Request, things: list[Any]) -> list[Any]:
    if "filter" not in request.query:
        return things
    for predicate in json.loads(request.query["filter"])["predicates"]:
        value = predicate["stringValue"]
        things = [
            one
            for one in things
            if getattr(one, predicate["key"]) == value
            or (predicate["operation"] == "IS_SUBSTRING" and value in one.display_name)
        ]
    return things


def _decoded(content: bytes, content_type: str) -> Any:
    if content_type.startswith("multipart/form-data"):
        message = email.message_from_bytes(
            f"Content-Type: {content_type}\r\n\r\n".encode() + content
        )
        return message.get_payload()[0].get_payload(decode=True)  # type: ignore[union-attr,index]
    return json.loads(content) if content.strip() else None


def _new_id() -> str:
    return str(uuid.uuid4())
