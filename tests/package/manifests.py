"""Looks at Kubernetes manifests without a cluster, and writes out the ConfigMaps they mount.

    manifests.py DIRECTORY FILE...

DIRECTORY/NAME/{config,zones,...} is what the container of FILE NAME.yaml sees in /etc/meridian.
"""

import pathlib
import sys

import yaml

REQUIRED = {"Deployment": "apps/v1", "DaemonSet": "apps/v1", "Service": "v1", "ConfigMap": "v1"}


def main(directory, files):
    chart_values()
    for file in map(pathlib.Path, files):
        objects = [one for one in yaml.safe_load_all(file.read_text()) if one]
        look(objects)
        write(objects, pathlib.Path(directory) / file.stem)
        print(f"ok: {file.name}: {len(objects)} objects")


def look(objects):
    """What a cluster would refuse, or would accept and not do."""
    for one in objects:
        name = f"{one['kind']} {one['metadata']['name']}"
        assert one["apiVersion"] == REQUIRED.get(one["kind"], one["apiVersion"]), name
    workload = the_workload(objects)
    template = workload["spec"]["template"]
    labels = template["metadata"]["labels"]
    pod, container = template["spec"], template["spec"]["containers"][0]

    selectors = [workload["spec"]["selector"]["matchLabels"]]
    services = [one for one in objects if one["kind"] == "Service"]
    selectors += [service["spec"]["selector"] for service in services]
    for selector in selectors:
        assert selector.items() <= labels.items(), f"{selector} does not select {labels}"

    ports = {port["name"]: port for port in container["ports"]}
    for service in services:
        for port in service["spec"]["ports"]:
            protocol = ports[port["targetPort"]].get("protocol", "TCP")
            assert port.get("protocol", "TCP") == protocol, port
    served = {(p["port"], p["protocol"]) for s in services for p in s["spec"]["ports"] if "protocol" in p}
    assert {(53, "UDP"), (53, "TCP")} <= served, served

    volumes = {volume["name"] for volume in pod["volumes"]}
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert mounts.keys() == volumes, (mounts.keys(), volumes)
    # A file that is mounted by itself never changes.
    assert not any("subPath" in mount for mount in mounts.values())
    maps = {one["metadata"]["name"] for one in objects if one["kind"] == "ConfigMap"}
    mounted = {v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v}
    assert mounted == maps, (mounted, maps)

    # The restricted profile of the Pod Security Standards.
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    security = container["securityContext"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["readOnlyRootFilesystem"] is True
    assert security["capabilities"] == {"drop": ["ALL"]}

    probes = {"livenessProbe": "/livez", "readinessProbe": "/readyz", "startupProbe": "/readyz"}
    for probe, path in probes.items():
        asked = container[probe]["httpGet"]
        assert asked["path"] == path and asked["port"] in ports, probe
    drain = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > drain


def the_workload(objects):
    (workload,) = [one for one in objects if one["kind"] in ("Deployment", "DaemonSet")]
    return workload


def write(objects, directory):
    """The ConfigMaps as the container sees them."""
    maps = {one["metadata"]["name"]: one for one in objects if one["kind"] == "ConfigMap"}
    pod = the_workload(objects)["spec"]["template"]["spec"]
    paths = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    for volume in pod["volumes"]:
        if "configMap" in volume:
            place = directory / pathlib.Path(paths[volume["name"]]).relative_to("/etc/meridian")
            place.mkdir(parents=True)
            for name, text in (maps[volume["configMap"]["name"]].get("data") or {}).items():
                (place / name).write_text(text)


def chart_values():
    """Every value that a template names is there, and the other way round."""
    chart = pathlib.Path("packaging/helm/meridian")
    values = yaml.safe_load((chart / "values.yaml").read_text())
    yaml.safe_load((chart / "Chart.yaml").read_text())
    text = "".join(file.read_text() for file in (chart / "templates").iterdir())
    assert text.count("{{") == text.count("}}")
    named = {word.split("}")[0].split(")")[0].split()[0] for word in text.split(".Values.")[1:]}
    for path in named:
        value = values
        for key in path.split("."):
            assert key in value, f"values.yaml has no {path}"
            value = value[key]
    unused = values.keys() - {path.split(".")[0] for path in named}
    assert not unused, f"no template names {unused}"


main(sys.argv[1], sys.argv[2:])
