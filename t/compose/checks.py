"""The site that `docker compose up` makes of a clone, from its first minute to its last. The current directory is the clone.

The checks are one story and run in this order: up, used, looked into, killed, drained, configured, upgraded, ill, gone.
"""
import asyncio
import datetime
import os
import pathlib

import promised
import websockets
import yaml
from project import (
    COMPOSE, PORT, PROJECT, SERVICES, Clock, Following, browser, check, children, compose, contains, equal, get, health, healthy,
    hear, inside, inspect, logs, main, main_process, post, refusal, run, said, signal_all, status_of, until, works,
)

STATIC = pathlib.Path("static")
OVERRIDE = pathlib.Path("compose.override.yaml")
HEALED = 60  # seconds within which everything works again
TYPED = os.environ["COMPOSE"]  # what somebody would type


def typed(command):
    """A command as somebody types it at a terminal, who knows nothing of -T."""
    return run("script", "-qec", command, "/dev/null")


# ---- up ----


@check("`up -d` builds the image and starts the three services", seconds=360, needed=True)
async def _up():
    clock = Clock()
    await compose("up", "-d", seconds=300)
    return clock


@check("in order: fcgi after ws, and web when both were healthy")
async def _order():
    services = yaml.safe_load(await compose("config"))["services"]
    waits = {name: {other: how["condition"] for other, how in one.get("depends_on", {}).items()} for name, one in services.items()}
    equal(waits, promised.WAITS, "who waits for whom, by `config`")
    states = {service: (await inspect(service))["State"] for service in SERVICES}
    began = {service: moment(state["StartedAt"]) for service, state in states.items()}
    equal(began["ws"] < began["fcgi"], True, f"whether ws was first ({began})")
    for service in ("ws", "fcgi"):
        looks = states[service]["Health"]["Log"]
        healthy_at = min((moment(look["End"]) for look in looks if look["ExitCode"] == 0), default=None)
        equal(healthy_at is not None and healthy_at < began["web"], True, f"whether {service} was healthy first ({looks}, {began})")


def moment(text):
    return datetime.datetime.fromisoformat(text)


@check("then all of them are healthy", needed=True)
async def _healthy():
    return f"after {await healthy()}"


@check("the page and its files come byte for byte")
async def _page():
    status, headers, body = await get("/test/")
    equal((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"), "the answer")
    equal(body, (STATIC / "test.html").read_bytes(), "/test/")
    for file in sorted(STATIC.iterdir()):
        equal((await get(f"/wspush/static/{file.name}"))[2], file.read_bytes(), file.name)


@check(f"`{TYPED} exec ws wsctl send test hello` appears in a page")
async def _push():
    async with browser("test") as page:
        contains(await typed(f"{TYPED} exec ws wsctl send test hello"), "reached 1 client", "what wsctl says")
        equal(await hear(page), "hello", "what the page hears")


@check(f"what a page sends is printed by `{TYPED} exec ws wsctl wait test`")
async def _wait():
    async with browser("test") as page:
        waiting = asyncio.create_task(typed(f"{TYPED} exec ws wsctl wait test"))
        await page.send("from the page: 你好")
        contains(await waiting, "from the page: 你好", "what wsctl prints")


@check("a foreign Origin is refused, and a foreign Host gets no answer and a line in the log")
async def _foreign():
    equal(await refusal("test", origin="https://evil.example"), 403, "the handshake's status")
    equal(await get("/test/", host="rebound.example"), None, "the answer")
    equal(await status_of("/test/", host=f"localhost:{PORT}"), 200, "the status for localhost")
    await said("web", 'the host "rebound.example" is none of this site\'s; WSPUSH_HOSTS adds names')


@check(f"`{TYPED} logs` has the logs of all three, without what a query has in it")
async def _logs():
    await get("/test/?token=secret")
    await said("web", '"GET /test/ HTTP/1.1" 200')
    text = await typed(f"{TYPED} logs --no-color")
    for part in ('"GET /test/ HTTP/1.1" 200', "ready: wspushd", "ready: FastCGI on"):
        contains(text, part, "the logs")
    equal("secret" in text, False, "whether the query is in them")


@check(f"`{TYPED} logs -f` goes on with what comes, until Ctrl-C")
async def _follow():
    async with Following(f"{TYPED} logs -f") as following:

        async def says(text):
            return text in following.said

        await until(lambda: says("ready: wspushd"), "what was there before", 20)
        await get("/test/followed")
        await until(lambda: says("GET /test/followed"), "what came since", 20)


# ---- looked into ----


@check("Docker has each container's settings as compose.yaml promises them")
async def _settings():
    for service in SERVICES:
        equal(promised.settings_of(await inspect(service)), promised.settings(service), f"what Docker has of {service}")


@check("each runs as 10001 without capabilities and new privileges, filtered, on a root it can't write")
async def _hardening():
    wanted = {
        "Uid": "10001 10001 10001 10001", "Gid": "10001 10001 10001 10001", "Groups": "10001", "CapInh": "0" * 16, "CapPrm": "0" * 16,
        "CapEff": "0" * 16, "CapBnd": "0" * 16, "CapAmb": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2",
    }
    for service in SERVICES:
        lines = (await inside(service, f"cat /proc/{await main_process(service)}/status")).splitlines()
        found = {key: " ".join(value.split()) for key, _, value in (line.partition(":") for line in lines)}
        found["Groups"] = found["Groups"] or "10001"  # older engines name no group beside the main one
        equal({key: found[key] for key in wanted}, wanted, f"{service}'s /proc/PID/status")
        for place in ("/", "/etc/nginx", "/usr/bin", "/var/lib"):
            contains(await inside(service, f"touch {place}/x", status=1), "Read-only file system", f"touch in {place}")
    contains(await inside("web", "touch /run/wspush/x", status=1), "Read-only file system", "touch in web's /run/wspush")


@check("the daemons have no network, nginx is published on 127.0.0.1 alone, and each has the descriptors that it was given")
async def _bounds():
    for service in ("ws", "fcgi"):
        devices = (await inside(service, "cat /proc/net/dev")).splitlines()[2:]
        equal([line.split(":")[0].strip() for line in devices], ["lo"], f"{service}'s network devices")
    web = await inspect("web")
    equal(web["NetworkSettings"]["Ports"], {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(PORT)}]}, "what web publishes")
    for service in SERVICES:
        equal((await inside(service, "ulimit -Sn; ulimit -Hn")).split(), [os.environ["WSPUSH_FILES"]] * 2, "descriptors")


@check("without a variable it is 127.0.0.1:8080")
async def _defaults():
    plain = [f"-u{name}" for name in os.environ if name.startswith("WSPUSH_")]
    text = await run("env", *plain, *COMPOSE, "config")
    for part in ("127.0.0.1", "8080", "10001:10001", "debian:bookworm-slim"):
        contains(text, part, "the configuration")


@check("the image bears the version, and has no compiler")
async def _image():
    image = os.environ["WSPUSH_IMAGE"]
    label = '{{index .Config.Labels "org.opencontainers.image.version"}} {{.Size}}'
    version, size = (await run("docker", "image", "inspect", "-f", label, image)).split()
    equal(version, pathlib.Path("VERSION").read_text().strip(), "the label (in Dockerfile; VERSION says the other)")
    contains(await inside("ws", "wspushd --version"), version, "wspushd --version")
    equal(await inside("ws", "command -v gcc make g++ ld", status=1), "", "the compilers")
    return f"{int(size) // 1000000} MB"


# ---- killed ----


async def killed(service, pid):
    # Its own end may come with the container's.
    await inside(service, f"kill -9 {pid}", status=None)


async def restarts(service):
    """Kills the main process of a service and waits until Docker has started it again."""
    count = (await inspect(service))["RestartCount"]
    await killed(service, await main_process(service))

    async def restarted():
        return (await inspect(service))["RestartCount"] > count

    await until(restarted, f"Docker to start {service} again", HEALED)


def heals(service):
    @check(f"the main process of `{service}` is killed: it comes back by itself")
    async def _killed():
        clock = Clock()
        await restarts(service)
        await works(f"after {service}", HEALED)
        return f"after {clock}"


for _service in SERVICES:
    heals(_service)


@check("then all of them are healthy again")
async def _healed():
    await healthy(seconds=HEALED)


@check("a child of the responder is killed: the others answer, and it is replaced")
async def _child():
    await one_killed("fcgi")


@check("a worker process of nginx is killed: it is replaced, and pages come back")
async def _nginx_worker():
    await one_killed("web")


async def one_killed(service):
    before, first = await children(service), await inspect(service)
    await killed(service, before[0])

    async def replaced():
        now = await children(service)
        return len(now) == len(before) and before[0] not in now

    await until(replaced, f"{len(before)} children again", HEALED)
    await works(f"after a child of {service}", HEALED)
    for _ in range(20):
        equal(await status_of("/test/"), 200, "the page's status")
    last = await inspect(service)
    equal([last["RestartCount"], last["State"]["StartedAt"]], [first["RestartCount"], first["State"]["StartedAt"]], "the container")


# ---- drained ----


@check("`stop ws`: a page gets 1001 within 10 s, plain HTTP goes on, WebSockets get 503")
async def _drain():
    clock = Clock()
    async with browser("test") as page:
        stopping = asyncio.create_task(compose("stop", "ws"))
        try:
            await hear(page, 10)
            raise AssertionError("a message instead of the end")
        except websockets.exceptions.ConnectionClosed as closed:
            equal(closed.rcvd and closed.rcvd.code, 1001, "the close code")
    await stopping
    took = clock.seconds()
    state = (await inspect("ws"))["State"]
    equal([took < 10, state["ExitCode"], state["OOMKilled"]], [True, 0, False], f"in time, exit code, oom ({took:.1f} s)")
    equal(await status_of("/test/"), 200, "the page's status")
    equal(await refusal("test"), 503, "the handshake's status")
    await compose("start", "ws")
    await works("after the stop", HEALED)
    return f"{took:.1f} s"


# ---- configured ----

# What an `up -d` waits for, and what it takes to be found ill; the shipped seconds were seen above.
HEALTHY = "healthcheck: {interval: 1s, timeout: 3s}"
CONFIGURED = f"""
services:
  web:
    {HEALTHY}
    volumes:
      - ./my/server.d:/etc/nginx/server.d:ro
      - ./my/http.conf:/etc/nginx/conf.d/my-http.conf:ro
  ws:
    {HEALTHY}
    volumes: ["./my/wspush:/etc/wspush:ro"]
    group_add: ["20001"]
  fcgi:
    {HEALTHY}
    volumes: ["./my/wspush:/etc/wspush:ro"]
    group_add: ["20001"]
  app:
    image: ${{WSPUSH_IMAGE}}
    user: "20000:20001"
    network_mode: none
    command: [sleep, infinity]
    init: true
    volumes: ["run:/run/wspush"]
  stranger:
    image: ${{WSPUSH_IMAGE}}
    user: "20000:20000"
    network_mode: none
    command: [sleep, infinity]
    init: true
    volumes: ["run:/run/wspush"]
"""
QUICK = "services:\n" + "".join(f"  {service}:\n    {HEALTHY}\n" for service in SERVICES)
MY = pathlib.Path("my")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def configuration(text):
    write(MY / "wspush/wspush.conf", text)


GROUPS = 'socket_mode = "0660"\nsocket_group = "20001"\ncontrol_group = "20001"\n'


@check("another port, other host names, files of one's own by mounts: `up -d` takes them")
async def _override():
    write(OVERRIDE, CONFIGURED)
    write(MY / "server.d/hello.conf", 'location = /hello { default_type text/plain; return 200 "hello $my_word\\n"; }\n')
    write(MY / "http.conf", 'map "" $my_word { default world; }\n')
    configuration(GROUPS)
    write(pathlib.Path(".env"), "WSPUSH_HOSTS=push.example.com *.example.org\n")
    os.environ["WSPUSH_PORT"] = str(OTHER_PORT)
    await compose("up", "-d")
    await healthy()
    equal((await get("/hello", port=OTHER_PORT))[2], b"hello world\n", "/hello")
    for host in ("push.example.com", "push.example.com:8443", "a.b.example.org"):
        equal(await status_of("/test/", host=host, port=OTHER_PORT), 200, f"the status for {host}")
    equal(await get("/test/", host="example.org", port=OTHER_PORT), None, "the answer for another host")
    equal(await refusal("test", site="push.example.com", port=OTHER_PORT, origin="http://push.example.com"), 101, "the handshake")


@check("a program of another user pushes through control.sock where the group is its own, and no stranger does")
async def _group():
    modes = await inside("ws", "cd /run/wspush && stat -c '%n %a %u:%g' ws.sock fcgi.sock control.sock")
    equal(modes.split("\n")[:3], [f"{name}.sock 660 10001:20001" for name in ("ws", "fcgi", "control")], "the sockets")
    async with browser("test", port=OTHER_PORT) as page:
        await inside("app", "wsctl send test 'from the app'")
        equal(await hear(page), "from the app", "what the page hears")
    contains(await inside("stranger", "wsctl send test no", status=6), "ermission", "what wsctl says to the stranger")


@check("`kill -s HUP ws fcgi` takes a changed wspush.conf, and a bad one changes nothing")
async def _reload():
    equal((await post("/test/", "before", port=OTHER_PORT))[0], 403, "the status of a POST")
    async with browser("test", port=OTHER_PORT) as page:
        configuration(GROUPS + "post = open\ninbound = echo\n")
        await compose("kill", "-s", "HUP", "ws", "fcgi")

        async def echoes():
            await page.send("echo?")
            try:
                return await hear(page, 0.5) == "echo?"
            except asyncio.TimeoutError:
                return False

        await until(echoes, "the open page's message to come back", 20)

        async def publishes():
            return (await post("/posts/", "after", port=OTHER_PORT))[0] == 200

        await until(publishes, "a POST to be allowed", 20)
        configuration("inbound = nonsense\n")
        await compose("kill", "-s", "HUP", "ws")
        await said("ws", "wspush.conf:1: ")
        equal(await echoes(), True, "whether it still comes back")
        configuration(GROUPS + "inbound = echo\n")


@check("after a HUP a killed process is still restarted, and nginx takes its changed files")
async def _after_hup():
    write(MY / "server.d/hello.conf", 'location = /hello { return 200 "changed\\n"; }\n')
    await compose("kill", "-s", "HUP", "web")

    async def changed():
        return (await get("/hello", port=OTHER_PORT))[2] == b"changed\n"

    await until(changed, "nginx to take it", 20)
    for service in SERVICES:
        await restarts(service)
    await healthy(seconds=HEALED)


@check("a bad wspush.conf: the logs say file, line and what is wrong, again and again until it is right")
async def _bad_config():
    configuration(GROUPS + "ping_interval = soon\n")
    await compose("restart", "ws", "fcgi")
    for service in ("ws", "fcgi"):
        await said(service, "/etc/wspush/wspush.conf:4: ")

    async def waits():
        state = (await inspect("ws"))["State"]
        return [state["Status"], state["ExitCode"]] == ["restarting", 2]

    await until(waits, "`ws` to be restarting, with exit code 2")
    equal((await logs("ws")).count("wspush.conf:4: ") >= 2, True, "whether it was tried again")
    configuration(GROUPS)
    await healthy(seconds=HEALED)


@check("bad variables are said in the logs with the remedy")
async def _bad_variables():
    write(OVERRIDE, QUICK)
    write(pathlib.Path(".env"), "WSPUSH_HOSTS=http://push.example.com/\nWSPUSH_ORIGINS=https://www.example.com\n")
    await compose("up", "-d", "--remove-orphans", status=None)
    await said("web", "WSPUSH_HOSTS has 'http://push.example.com/', which is no host name")


# ---- upgraded ----


@check("`up -d --build` after a change of the sources and of .env: both are what is served", seconds=360)
async def _upgrade():
    clock = Clock()
    page = STATIC / "test.html"
    page.write_bytes(page.read_bytes() + b"<!-- the next version -->\n")
    write(pathlib.Path(".env"), "WSPUSH_ORIGINS=https://www.example.com\n")
    await compose("up", "-d", "--build", seconds=300)
    await healthy()
    equal((await get("/test/", port=OTHER_PORT))[2], page.read_bytes(), "/test/")
    for service in ("ws", "fcgi"):
        equal(await inside(service, "cat /tmp/wspush.conf"), ORIGINS, f"the configuration of {service}")
    return clock


ORIGINS = '# From the environment, WSPUSH_ORIGINS.\norigins = {"https://www.example.com"}\n'
LISTED, UNLISTED = "https://www.example.com", "https://example.com"


@check("WSPUSH_ORIGINS is for a WebSocket and for a POST: who is listed may, another may not")
async def _origins():
    equal(await refusal("test", origin=LISTED, port=OTHER_PORT), 101, "the handshake's status")
    equal(await refusal("test", origin=UNLISTED, port=OTHER_PORT), 403, "the handshake's status for another")
    # No variable lets anybody POST, so the line is added to what start.sh wrote.
    await inside("fcgi", "echo 'post = open' >>/tmp/wspush.conf")
    await compose("kill", "-s", "HUP", "fcgi")

    async def passes():
        return (await post("/test/", "text", port=OTHER_PORT, Origin=LISTED))[0] == 200

    await until(passes, "a POST by the listed origin to pass", 20)
    status, body = await post("/test/", "text", port=OTHER_PORT, Origin=UNLISTED)
    equal(status, 403, "the status of a POST by another")
    contains(body, '"ORIGIN"', "its answer")


# ---- ill ----


async def unhealthy(*services):
    async def are():
        return [await health(service) for service in services] == ["unhealthy"] * len(services)

    await until(are, f"Docker to find unhealthy: {', '.join(services)}")


@check("Docker finds each of the three unhealthy while it hangs, and healthy again when it goes on")
async def _hang():
    clock = Clock()
    try:
        for service in SERVICES:
            await signal_all(service, "STOP")
        await unhealthy(*SERVICES)
    finally:
        for service in SERVICES:
            await signal_all(service, "CONT")
    await healthy()
    return f"all after {clock}"


@check("without the responder's socket Docker finds it unhealthy, and nginx too, but not the worker")
async def _no_socket():
    await inside("fcgi", "mv /run/wspush/fcgi.sock /run/wspush/away")
    try:
        await unhealthy("fcgi", "web")
        equal(await health("ws"), "healthy", "the health of ws")
        for service, text in (("fcgi", "no FastCGI answer"), ("web", "nginx answers 503")):
            contains((await inspect(service))["State"]["Health"]["Log"][-1]["Output"], text, f"what the check of {service} says")
    finally:
        await inside("fcgi", "mv /run/wspush/away /run/wspush/fcgi.sock")
    await healthy()
    await works("after the looks", port=OTHER_PORT)


# ---- a site of one's own ----


# QUICK ends in `web`.
OWN_SITE = """\
    volumes: ["./my/sites:/etc/nginx/sites-enabled:ro"]
  app:
    image: ${WSPUSH_IMAGE}
    user: "20000:20000"
    group_add: ["10001"]
    network_mode: none
    command: [sleep, infinity]
    init: true
    volumes: ["run:/run/wspush"]
"""


@check("a directory mounted on sites-enabled takes the place of the built-in site, and a program in group 10001 pushes to it")
async def _own_site():
    write(
        MY / "sites/mine.conf",
        "server { listen 8080 default_server; server_name _; include snippets/wspush-server.conf;\n"
        "location ^~ /live/ { include snippets/wspush-here.conf; return 200 mine; } }\n",
    )
    write(OVERRIDE, QUICK + OWN_SITE)
    await compose("up", "-d")
    await healthy()
    equal((await get("/live/", host="whatever", port=OTHER_PORT))[2], b"mine", "/live/")
    async with browser("live/1", port=OTHER_PORT) as page:
        await inside("app", "wsctl send live/1 yours")
        equal(await hear(page), "yours", "what the page hears")


# ---- gone ----


@check("`down -v` leaves no container, network or volume, with a page open")
async def _down():
    clock = Clock()
    async with browser("live/1", port=OTHER_PORT):
        await compose("down", "-v")
    took = str(clock)
    label = f"label=com.docker.compose.project={PROJECT}"
    for kind in (["ps", "-a"], ["network", "ls"], ["volume", "ls"]):
        equal(await run("docker", *kind, "-q", "--filter", label), "", f"what `docker {' '.join(kind)}` has")
    return took


OTHER_PORT = int(os.environ["OTHER_PORT"])

if __name__ == "__main__":
    main(TYPED)
