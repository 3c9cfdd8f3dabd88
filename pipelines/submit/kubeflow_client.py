"""Kubeflow's API, as the KFP SDK offers it: what goes wrong becomes one sentence, what may go right later is tried again.

Credentials come from the environment: `DARKROOM_KUBEFLOW_TOKEN` (a bearer token), `DARKROOM_KUBEFLOW_COOKIES`, the
service account's token of a pod (`KF_PIPELINES_SA_TOKEN_PATH`), or what the SDK itself reads for an identity-aware proxy.
"""

import contextlib
import io
import json
import logging
import os
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import kfp.client
from kfp_server_api import ApiException
from urllib3.exceptions import HTTPError, MaxRetryError, SSLError

from darkroom.runtime.exit_handler import page_of
from darkroom.system.errors import InputError
from darkroom.tracking.tags import KUBEFLOW_COOKIES, KUBEFLOW_TOKEN
from pipelines.platform import PlatformConfig

_WAITS_S = (1.0, 2.0, 4.0, 0.0)  # after each try
_EQUALS = "EQUALS"
Answer = TypeVar("Answer")


class _Client(kfp.client.Client):  # type: ignore[misc]
    def get_kfp_healthz(self, sleep_duration: int = 5) -> Any:
        """Sends one request: kfp would send five, also where the credentials are refused."""
        return self._healthz_api.healthz_service_get_healthz()


class Cluster:
    """Kubeflow Pipelines at an address.

    Args:
        platform: Address, namespace and certificate.

    Raises:
        InputError: No address is given, nothing answers there, or the credentials are refused; so do the methods.
    """

    def __init__(self, platform: PlatformConfig) -> None:
        self.endpoint = (platform.endpoint or os.environ.get("KF_PIPELINES_ENDPOINT", "")).rstrip("/")
        if not self.endpoint:
            raise InputError("platform.endpoint is empty: give the address of Kubeflow Pipelines, such as https://kubeflow.example.org")
        self._namespace = platform.namespace
        certificate = platform.ca_file or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE", "")
        if certificate and not Path(certificate).is_file():
            raise InputError(f"platform.ca_file is {certificate!r}: there is no such file; give the authority's certificate (PEM)")
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
        self._client = self._ask(lambda: self._connect(certificate))

    @property
    def kfp(self) -> Any:
        """The client of kfp's SDK, for calls that this class has no method for; the caller handles its errors."""
        return self._client

    def page(self, run_id: str) -> str:
        """The address of a run's page."""
        return page_of(self.endpoint, run_id)

    def experiment(self, name: str, *, create: bool) -> str:
        """The id of an experiment.

        Args:
            name: Its name.
            create: Whether it is made where it is missing; else that is an `InputError`.
        """

        def find_or_create() -> str:
            """Looks first, so that a repeated request creates no second experiment."""
            listed = self._client.list_experiments(page_size=100, namespace=self._namespace, filter=_filter("display_name", name))
            if listed.experiments:
                return str(listed.experiments[0].experiment_id)
            if not create:
                known = self._client.list_experiments(page_size=100, namespace=self._namespace).experiments or []
                names = ", ".join(experiment.display_name for experiment in known) or "none"
                raise InputError(
                    f"Kubeflow has no experiment {name!r} (platform.experiment), known are: {names}; make it there, or leave the "
                    "setting empty for one that is named after the model"
                )
            return str(self._client.create_experiment(name, namespace=self._namespace).experiment_id)

        return self._ask(find_or_create)

    def upload(self, path: Path, pipeline: str, version: str) -> tuple[str, str]:
        """Uploads a pipeline's YAML as a version; one of that name is taken as it is.

        Args:
            path: The YAML file.
            pipeline: The pipeline's name; it is made where it is missing.
            version: The version's name, which should say its content.

        Returns:
            The ids of the pipeline and of the version.
        """

        def find_or_upload() -> tuple[str, str]:
            """Looks first, so that a repeated request uploads no second version."""
            pipeline_id = self._client.get_pipeline_id(pipeline)
            if pipeline_id is None:
                pipeline_id = self._client.upload_pipeline(str(path), pipeline).pipeline_id
            listed = self._client.list_pipeline_versions(pipeline_id, filter=_filter("display_name", version)).pipeline_versions
            if listed:
                return str(pipeline_id), str(listed[0].pipeline_version_id)
            made = self._client.upload_pipeline_version(str(path), version, pipeline_id=pipeline_id)
            return str(pipeline_id), str(made.pipeline_version_id)

        return self._ask(find_or_upload)

    def start(self, experiment_id: str, name: str, version: tuple[str, str], arguments: Mapping[str, Any]) -> str:
        """Starts a run.

        Args:
            experiment_id: The experiment.
            name: A name that no other run has: where an answer got lost, the run is found by it instead of started twice.
            version: What `upload` returned.
            arguments: The pipeline's arguments.

        Returns:
            The run's id.
        """

        def find_or_start() -> str:
            """Looks first, so that a repeated request starts no second run."""
            runs = self._client.list_runs(experiment_id=experiment_id, namespace=self._namespace, filter=_filter("display_name", name)).runs
            if runs:
                return str(runs[0].run_id)
            pipeline_id, version_id = version
            made = self._client.run_pipeline(experiment_id, name, params=dict(arguments), pipeline_id=pipeline_id, version_id=version_id)
            return str(made.run_id)

        return self._ask(find_or_start)

    def run(self, run_id: str) -> Any:
        """A run as it is now, a `V2beta1Run`."""
        return self._ask(lambda: self._client.get_run(run_id))

    def _connect(self, certificate: str) -> _Client:
        token, credentials = os.environ.get(KUBEFLOW_TOKEN), None
        token_file = os.environ.get(kfp.client.KF_PIPELINES_SA_TOKEN_ENV) or kfp.client.KF_PIPELINES_SA_TOKEN_PATH
        if not token and Path(token_file).is_file():
            credentials = kfp.client.ServiceAccountTokenVolumeCredentials(token_file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return _Client(
                self.endpoint,
                namespace=self._namespace or "kubeflow",
                existing_token=token,
                cookies=os.environ.get(KUBEFLOW_COOKIES),
                credentials=credentials,
                ssl_ca_cert=certificate or None,
            )

    def _ask(self, call: Callable[[], Answer]) -> Answer:
        """Repeats a call until there is an answer, four times at most; what kfp prints is left out."""
        reason = ""
        for wait_s in _WAITS_S:
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    return call()
            except ApiException as error:
                if error.status < 500:
                    raise self._refusal(error) from None
                reason = f"answers {error.status} ({_message(error)}): look at the log of its API server (ml-pipeline), or try again later"
            except HTTPError as error:
                cause = error.reason if isinstance(error, MaxRetryError) else error
                reason = f"can't be reached ({' '.join(str(cause).split())}): {_remedy(cause)}"
            time.sleep(wait_s)
        raise InputError(f"Kubeflow at {self.endpoint} {reason}")

    def _refusal(self, error: ApiException) -> InputError:
        message = _message(error)
        if error.status == 401:
            return InputError(
                f"Kubeflow at {self.endpoint} refuses the credentials (401: {message}): "
                f"set {KUBEFLOW_TOKEN} or {KUBEFLOW_COOKIES} to ones that are valid"
            )
        if error.status == 403:
            space = f"platform.namespace is {self._namespace!r}" if self._namespace else "platform.namespace is empty"
            return InputError(
                f"Kubeflow at {self.endpoint} does not allow this (403: {message}): {space}; ask for the right, or correct it"
            )
        return InputError(f"Kubeflow at {self.endpoint} refuses the request ({error.status}): {message}")


def _filter(key: str, value: str) -> str:
    return json.dumps({"predicates": [{"operation": _EQUALS, "key": key, "stringValue": value}]})


def _message(error: ApiException) -> str:
    """What the server says in its answer's body, in one line."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else error.body or ""
    with contextlib.suppress(ValueError, AttributeError):
        body = json.loads(body).get("message") or body
    return " ".join(str(body).split())[:300] or str(error.reason)


def _remedy(cause: Exception | None) -> str:
    if isinstance(cause, SSLError):
        return "name the certificate of the authority that signed its own in platform.ca_file"
    return "correct platform.endpoint, or make it reachable (`kubectl port-forward` for one inside the cluster)"
