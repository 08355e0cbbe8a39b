"""GET /v1/openapi.json is OpenAPI 3.1, and what the controller answers is what it says.

The description is judged by a validator from npm (package-lock.json pins it; it is installed into the build directory,
and it is an error when that fails). Then every operation of it is driven against a running controller, with requests made
from its own schemas, and every answer is judged: its status must be described, its body must fit the schema.

/usr/bin/python3 tests/openapi/run.py BUILD_DIRECTORY
"""
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import jsonschema

HERE = pathlib.Path(__file__).resolve().parent
NOWHERE = "01890000-0000-7000-8000-000000000001"


class Controller:
    def __init__(self, build: pathlib.Path) -> None:
        self.directory = tempfile.mkdtemp(prefix="skerry-openapi-")
        self.log = open(os.path.join(self.directory, "log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [build / "skerry-controller", "--data-directory", self.directory, "--api-listen", "127.0.0.1:0",
             "--agent-listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if "https://" not in line:
            sys.exit(f"the controller did not start: {line}")
        port = line.split("https://")[1].split(",")[0].rsplit(":", 1)[1]
        self.url = f"https://127.0.0.1:{port}"
        self.token = pathlib.Path(self.directory, "admin.token").read_text(encoding="utf-8").strip()
        self.context = ssl.create_default_context(cafile=os.path.join(self.directory, "ca.pem"))

    def call(self, method: str, path: str, body=None, headers=None, media="application/json"):
        request = urllib.request.Request(self.url + path, method=method, headers={
            "Authorization": "Bearer " + self.token, **(headers or {})})
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", media)
        try:
            answer = urllib.request.urlopen(request, context=self.context, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            kind = (answer.headers.get("Content-Type") or "").split(";")[0]
            raw = answer.readline() if kind == "text/event-stream" else answer.read()
            return answer.status, kind, raw, answer.headers

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)
        self.log.close()
        shutil.rmtree(self.directory)


class Judge:
    def __init__(self, description: dict) -> None:
        self.description = description
        self.seen, self.good, self.problems = set(), set(), []

    def validator(self, schema: dict):
        return jsonschema.Draft202012Validator({**schema, "components": self.description["components"]})

    def judge(self, path: str, method: str, status: int, kind: str, raw: bytes) -> None:
        name = f"{method.upper()} {path}"
        self.seen.add((path, method))
        if status < 300:
            self.good.add((path, method))
        responses = self.description["paths"][path][method]["responses"]
        described = responses.get(str(status)) or (responses["default"] if status >= 400 else None)
        if described is None:
            self.problems.append(f"{name} answered {status}, which is not described: {raw[:300]!r}")
            return
        content = {media.split(";")[0]: schema for media, schema in described.get("content", {}).items()}
        if not content:
            if raw:
                self.problems.append(f"{name} {status} has a body that is not described: {raw[:300]!r}")
            return
        if kind not in content:
            self.problems.append(f"{name} {status} is {kind}, not one of {list(content)}")
            return
        value = json.loads(raw) if kind.endswith("json") else raw.decode()
        for error in list(self.validator(content[kind]["schema"]).iter_errors(value))[:3]:
            where = "/".join(map(str, error.absolute_path))
            self.problems.append(f"{name} {status} at /{where}: {error.message[:300]}")


# What makes one object of each kind that needs more than a name; {kind} is the id of an object made before.
OBJECTS = [
    ("logical-networks", {"name": "hnv", "network_virtualization": True}),
    ("host-groups", {"name": "rack"}),
    ("network-sites", {"name": "site", "logical_network_id": "{logical-networks}", "host_group_ids": ["{host-groups}"],
                       "subnet_vlans": [{"subnet": "10.9.0.0/24", "vlan_id": 0}]}),
    ("tenants", {"name": "red", "logical_network_ids": ["{logical-networks}"]}),
    ("vm-networks", {"name": "net", "tenant_id": "{tenants}", "logical_network_id": "{logical-networks}",
                     "isolation": "network_virtualization"}),
    ("vm-subnets", {"name": "sub", "vm_network_id": "{vm-networks}", "prefix": "10.1.0.0/24"}),
    ("ip-pools", {"name": "pool", "vm_subnet_id": "{vm-subnets}", "subnet": "10.1.0.0/24",
                  "range_start": "10.1.0.10", "range_end": "10.1.0.200"}),
    ("network-adapters", {"name": "nic", "vm_name": "vm", "vm_network_id": "{vm-networks}",
                          "vm_subnet_id": "{vm-subnets}"}),
    ("mac-pools", {"name": "macs", "range_start": "02:00:00:00:01:00", "range_end": "02:00:00:00:01:ff"}),
    ("virtual-port-profiles", {"name": "profile"}),
    ("port-classifications", {"name": "class", "virtual_port_profile_id": "{virtual-port-profiles}"}),
    ("uplink-port-profiles", {"name": "uplink", "network_site_ids": ["{network-sites}"]}),
    ("logical-switches", {"name": "switch", "uplink_port_profile_ids": ["{uplink-port-profiles}"],
                          "virtual_ports": [{"classification_id": "{port-classifications}",
                                             "profile_id": "{virtual-port-profiles}", "is_default": True}]}),
    ("host-switches", {"name": "hs", "host_id": "{hosts}", "logical_switch_id": "{logical-switches}",
                       "uplinks": [{"interface": "eth1", "uplink_port_profile_id": "{uplink-port-profiles}"}]}),
    ("access-control-lists", {"name": "acl", "tenant_id": "{tenants}",
                              "rules": [{"name": "web", "direction": "in", "action": "allow", "protocol": "tcp",
                                         "local_ports": "443"}]}),
    ("customer-routes", {"name": "route", "vm_network_id": "{vm-networks}", "destination": "10.2.0.0/16",
                         "next_hop": "10.1.0.9"}),
    ("ip-allocations", {"ip_pool_id": "{ip-pools}", "address": "10.1.0.50", "purpose": "manual"}),
    ("users", {"name": "ann", "password": "a password that is long"}),
    ("role-bindings", {"name": "ann-audits", "user_id": "{users}", "role": "auditor"}),
    ("sessions", {"name": "ann", "password": "a password that is long"}),
    ("join-tokens", {"name": "join"}),
    ("tokens", {"name": "token", "role": "auditor"}),
    ("backups", {"name": "backup"}),
]
# What cannot be made here, and why: the refusal is judged.
REFUSED = {"host-switches": "no host has joined", "hosts": "they join by themselves"}
# Bodies of changes and actions that say more than the schema demands.
BODIES = {
    ("/v1/users/{id}", "patch"): {"password": "another password, longer"},
    ("/v1/ip-pools/{id}:allocate", "post"): {"kind": "manual", "address": "10.1.0.60"},
    ("/v1/ip-pools/{id}:release", "post"): {"address": "10.1.0.60"},
    ("/v1/network-adapters/{id}:migrate", "post"): {"host_id": NOWHERE},
}


def fill(value, made: dict):
    if isinstance(value, dict):
        return {key: fill(member, made) for key, member in value.items()}
    if isinstance(value, list):
        return [fill(member, made) for member in value]
    if isinstance(value, str) and value.startswith("{"):
        return made.get(value[1:-1], NOWHERE)
    return value


def example(schema: dict, components: dict):
    """Something of the schema's shape; rules may refuse it, and then the refusal is judged."""
    if "$ref" in schema:
        return example(components["schemas"][schema["$ref"].rsplit("/", 1)[1]], components)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: example(properties[name], components) for name in schema.get("required", [])}
    if kind == "array":
        return []
    if kind == "integer":
        return schema.get("minimum", 1)
    if kind == "boolean":
        return False
    return {"uuid": NOWHERE, "ip": "10.1.0.7", "cidr": "10.0.0.0/24", "mac": "02:00:00:00:00:01",
            "date-time": "2030-01-01T00:00:00Z"}.get(schema.get("format"), "example")


def make_objects(controller: Controller, judge: Judge) -> dict:
    made = {}
    for collection, body in OBJECTS:
        status, kind, raw, _ = controller.call("POST", f"/v1/{collection}", fill(body, made))
        judge.judge(f"/v1/{collection}", "post", status, kind, raw)
        if collection in REFUSED and status == 422:
            continue
        if status not in (201, 202):
            judge.problems.append(f"{collection} could not be made: {raw[:300]!r}")
        else:
            made[collection] = json.loads(raw)["id"]
    return made


def drive(controller: Controller, judge: Judge, made: dict, path: str, method: str, operation: dict) -> None:
    collection = path.split("/")[2] if path.startswith("/v1/") else ""
    real = path.replace("{id}", made.get(collection, NOWHERE)).replace("{revision}", "1")
    for parameter in operation.get("parameters", []):
        real = real.replace("{%s}" % parameter["name"], "1")
    content = operation.get("requestBody", {}).get("content", {})
    media = next(iter(content), "application/json")
    body = example(content[media]["schema"], judge.description["components"]) if content else None
    headers = {}
    if any(parameter["name"] == "If-Match" for parameter in operation.get("parameters", [])):
        etag = controller.call("GET", real)[3].get("ETag")
        headers = {"If-Match": etag} if etag else {}
    if path == "/v1/batch":
        body = {"operations": [{"method": "POST", "path": "/v1/tenants", "body": {"name": "by-batch"}}]}
    body = BODIES.get((path, method), body)
    if method == "put" and collection in made:
        body = fill(dict(OBJECTS)[collection], made)
    status, kind, raw, _ = controller.call(method.upper(), real, body, headers, media)
    judge.judge(path, method, status, kind, raw)


def drive_all(controller: Controller, judge: Judge) -> None:
    made = make_objects(controller, judge)
    order = ["get", "post", "put", "patch", "delete"]
    operations = [(order.index(method), path, method, operation)
                  for path, methods in judge.description["paths"].items() for method, operation in methods.items()]
    # Deletes last, users of others first.
    rank = {f"/v1/{collection}/{{id}}": -at for at, (collection, _) in enumerate(OBJECTS)}
    for number, path, method, operation in sorted(operations, key=lambda row: (row[0], rank.get(row[1], 0), row[1])):
        drive(controller, judge, made, path, method, operation)
        if method == "get" and path.startswith("/v1/") and any(
                parameter["name"] == "watch" for parameter in operation["parameters"]):
            status, kind, raw, _ = controller.call("GET", path + "?watch=true")
            judge.judge(path, method, status, kind, raw)
    collections = {path.split("/")[2] for path, methods in judge.description["paths"].items()
                   if "post" in methods and path.count("/") == 2 and ":" not in path}
    judge.problems += [f"{collection} has no row in OBJECTS" for collection in
                       sorted(collections - dict(OBJECTS).keys() - REFUSED.keys() - {"batch"})]
    left = [(path, method) for _, path, method, _ in operations if (path, method) not in judge.seen]
    judge.problems += [f"{method} {path} was never driven" for path, method in left]


def validate(build: pathlib.Path, description: bytes) -> None:
    packages = build / "openapi-validator"
    packages.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, packages)
    if not (packages / "node_modules").is_dir():
        done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=packages, check=False)
        if done.returncode != 0:
            shutil.rmtree(packages / "node_modules", ignore_errors=True)
            sys.exit("npm ci could not install the validator; it needs the npm registry or a filled npm cache")
    file = build / "openapi.json"
    file.write_bytes(description)
    environment = {**os.environ, "NODE_PACKAGES": str(packages)}
    if subprocess.run(["node", HERE / "validate.mjs", file], env=environment, check=False).returncode != 0:
        sys.exit("the description is no OpenAPI 3.1")


def main() -> int:
    build = pathlib.Path(sys.argv[1]).resolve()
    controller = Controller(build)
    try:
        status, _, raw, _ = controller.call("GET", "/v1/openapi.json")
        assert status == 200, raw
        validate(build, raw)
        judge = Judge(json.loads(raw))
        begun = time.monotonic()
        drive_all(controller, judge)
    finally:
        controller.stop()
    for problem in judge.problems:
        print(problem, file=sys.stderr)
    print(f"{len(judge.seen)} operations driven, {len(judge.good)} of them done, {len(judge.problems)} problems, "
          f"{time.monotonic() - begun:.1f} s")
    return 1 if judge.problems else 0


if __name__ == "__main__":
    sys.exit(main())
