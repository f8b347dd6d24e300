"""What compose.yaml promises of each container, as Docker has it: `docker inspect` is compared with `settings`, `config` with WAITS."""

WAITS = {"ws": {}, "fcgi": {"ws": "service_started"}, "web": {"ws": "service_healthy", "fcgi": "service_healthy"}}

_SECOND = 1_000_000_000
_MB = 1 << 20
_COMMON = {
    "User": "10001:10001",
    "StopTimeout": 10,
    "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0},
    "LogConfig": {"Type": "local", "Config": {}},
    "ReadonlyRootfs": True,
    "Privileged": False,
    "CapAdd": [],
    "CapDrop": ["ALL"],
    "SecurityOpt": ["no-new-privileges:true"],
    "Init": True,
}
_OWN = {
    "ws": {"StopSignal": "SIGTERM", "Memory": 1024 * _MB, "PidsLimit": 128, "Tmpfs": {"/tmp": "size=1m"}},
    "fcgi": {"StopSignal": "SIGTERM", "Memory": 256 * _MB, "PidsLimit": 256, "Tmpfs": {"/tmp": "size=1m"}},
    "web": {"StopSignal": "SIGQUIT", "Memory": 512 * _MB, "PidsLimit": 128, "Tmpfs": {"/tmp": "size=64m"}},
}


def settings(service):
    health = {"Test": ["CMD", "/usr/libexec/wspush/health.sh", service], "Interval": 10 * _SECOND, "Timeout": 5 * _SECOND,
              "StartPeriod": 10 * _SECOND, "Retries": 3}
    return {**_COMMON, **_OWN[service], "Healthcheck": health}


def settings_of(container):
    """The same settings of a container, from what `docker inspect` says."""
    has = {**container["HostConfig"], **container["Config"]}
    has["CapAdd"] = has["CapAdd"] or []  # engines differ in how they say nothing
    return {name: has.get(name) for name in settings("ws")}
