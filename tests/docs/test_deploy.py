"""The files of docs/deploy: fields that KubeRay and Kubernetes know, versions that agree.

The schema below has the fields that the file uses, with the types of KubeRay's `RayJobSpec` and
`RayClusterSpec` (ray-operator/apis/ray/v1) and of a Kubernetes pod, and what these require. A field
that is not in it is refused here, as a misspelt one is by the API server.
"""

import re
import tomllib
from copy import deepcopy
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "docs/deploy"

COUNT = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "object", "additionalProperties": TEXT}
NAME = {"type": "string", "pattern": "^[a-z]([-a-z0-9]{0,45}[a-z0-9])?$"}
QUANTITY = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(m|[KMGTPE]i?)?$"}


def fields(required: str, **properties):
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def several(item):
    return {"type": "array", "items": item, "minItems": 1}


QUANTITIES = fields("cpu memory", cpu=QUANTITY, memory=QUANTITY)
CONTAINER = fields(
    "name image resources",
    name=TEXT,
    image=TEXT,
    resources=fields("requests limits", requests=QUANTITIES, limits=QUANTITIES),
    envFrom=several(fields("secretRef", secretRef=fields("name", name=TEXT))),
)
TEMPLATE = fields("spec", spec=fields("containers", containers=several(CONTAINER)))
WORKERS = fields(
    "groupName minReplicas maxReplicas rayStartParams template",
    groupName=TEXT,
    replicas=COUNT,
    minReplicas=COUNT,
    maxReplicas=COUNT,
    rayStartParams=TEXTS,
    template=TEMPLATE,
)
CLUSTER = fields(
    "headGroupSpec",
    rayVersion=TEXT,
    enableInTreeAutoscaling={"type": "boolean"},
    autoscalerOptions=fields(
        "",
        idleTimeoutSeconds=COUNT,
        upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
    ),
    headGroupSpec=fields("rayStartParams template", rayStartParams=TEXTS, template=TEMPLATE),
    workerGroupSpecs=several(WORKERS),
)
RAY_JOB = fields(
    "apiVersion kind metadata spec",
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata=fields(
        "name", name={"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,45}[a-z0-9])?$"}
    ),
    spec=fields(
        "entrypoint rayClusterSpec",
        entrypoint=TEXT,
        backoffLimit=COUNT,
        shutdownAfterJobFinishes={"type": "boolean"},
        ttlSecondsAfterFinished=COUNT,
        rayClusterSpec=CLUSTER,
    ),
)


def ray_job():
    return yaml.safe_load((DEPLOY / "rayjob.yaml").read_text())


def complaints(job):
    return [e.json_path for e in jsonschema.Draft7Validator(RAY_JOB).iter_errors(job)]


def test_the_job_has_fields_that_kuberay_knows():
    jsonschema.Draft7Validator.check_schema(RAY_JOB)
    assert complaints(ray_job()) == []


@pytest.mark.parametrize(
    ("path", "value", "at"),
    [
        (["rayClusterSpec", "headGroupSpec", "rayStartParams", "num-cpus"], 0,
         "$.spec.rayClusterSpec.headGroupSpec.rayStartParams['num-cpus']"),
        (["backOffLimit"], 2, "$.spec"),
        (["rayClusterSpec", "autoscalerOptions", "upscalingMode"], "Fast",
         "$.spec.rayClusterSpec.autoscalerOptions.upscalingMode"),
        (["rayClusterSpec", "workerGroupSpecs", 0, "maxReplicas"], "16",
         "$.spec.rayClusterSpec.workerGroupSpecs[0].maxReplicas"),
        (["rayClusterSpec", "rayVersion"], 2.6, "$.spec.rayClusterSpec.rayVersion"),
    ],
)  # fmt: skip
def test_a_field_that_kuberay_would_refuse_is_refused_here(path, value, at):
    job = deepcopy(ray_job())
    inner = job["spec"]
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    assert complaints(job) == [at]


def test_workers_grow_within_bounds_and_the_head_does_no_work():
    cluster = ray_job()["spec"]["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for group in (cluster["headGroupSpec"], workers):
        (container,) = group["template"]["spec"]["containers"]
        # Ray takes its CPUs and memory from the limits; a pod with less requested may be evicted.
        assert container["resources"]["requests"] == container["resources"]["limits"]


def test_versions_are_those_of_the_package_and_of_the_lock():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"].get("version")
    version = (
        version or re.search(r'__version__ = "(.+)"', (ROOT / "curate/_version.py").read_text())[1]
    )
    cluster = ray_job()["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    images = {c["image"] for g in groups for c in g["template"]["spec"]["containers"]}
    assert images == {f"REGISTRY/curate:{version}"}
    locked = re.search(r"^ray==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert cluster["rayVersion"] == locked[1]


def test_the_job_runs_a_command_that_there_is():
    from curate.cli import COMMANDS
    from curate.recipe.locate import data_path

    program, command, recipe, *options = ray_job()["spec"]["entrypoint"].split()
    assert (program, command in COMMANDS) == ("curate", True)
    assert Path(data_path(f"pipelines/{recipe}.toml")).is_file()
    assert options[::2] == ["--address", "--output"]
