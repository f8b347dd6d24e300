# Sourced by run.sh: a Docker engine. The one that answers here, or one of our own in $work/engine, as root.
# shellcheck shell=bash
# shellcheck disable=SC2154 # work: the run's directory, set by run.sh
#
# Our own lives in namespaces of its own for processes and mounts: when its first process is gone, so are its containers and its
# mounts, whatever way it ended. The network can't be so (images are built with apt), so what dockerd does to that is taken back:
# bridge, chains, the policy of FORWARD, ip_forward. Nothing here is done to an engine that was running already.

engine_pid=        # unshare, whose child is dockerd
engine_before=     # iptables-save before dockerd
engine_forward=    # net.ipv4.ip_forward before
engine_devices=    # network devices before
engine_had_key=    # whether /etc/docker/key.json was

# engine_answers: whether an engine can be used here. Sets DOCKER_HOST to it: docker-compose 1.29 doesn't know contexts. An engine on
# another machine is none for us: its 127.0.0.1 is not ours.
engine_answers() {
    local host=${DOCKER_HOST:-}
    [ -n "$host" ] || host=$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null) || host=unix:///var/run/docker.sock
    case $host in
    unix://*) ;;
    *) return 1 ;;
    esac
    DOCKER_CONTEXT='' DOCKER_HOST=$host timeout 20 docker info >/dev/null 2>&1 || return 1
    unset DOCKER_CONTEXT
    export DOCKER_HOST="$host"
}

# engine_privileged: whether we may mount, make bridges and set up a firewall (CAP_SYS_ADMIN, CAP_NET_ADMIN).
engine_privileged() {
    local set
    set=$((16#$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)))
    ((set >> 21 & set >> 12 & 1))
}

engine_start() {
    local dir=$work/engine
    mkdir -p "$dir"
    engine_before=$(iptables-save 2>/dev/null)
    engine_forward=$(</proc/sys/net/ipv4/ip_forward)
    engine_devices=$(ls /sys/class/net)
    engine_had_key=$([ ! -e /etc/docker/key.json ] || echo yes)
    # cgroupfs: systemd would be told process numbers that are none outside.
    setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc \
        dockerd -H "unix://$dir/docker.sock" --data-root "$dir/lib" --exec-root "$dir/exec" --pidfile "$dir/pid" \
        --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$(basename "$work")" \
        >"$dir/log" 2>&1 </dev/null 9>&- &
    engine_pid=$!
    unset DOCKER_CONTEXT DOCKER_TLS_VERIFY
    export DOCKER_HOST="unix://$dir/docker.sock"
    local patience=300
    until timeout 20 docker info >/dev/null 2>&1; do
        patience=$((patience - 1))
        if ! kill -0 "$engine_pid" 2>/dev/null || [ $patience -eq 0 ]; then
            echo "dockerd does not come up; the end of its log:" >&2
            tail -n 20 "$dir/log" | sed 's/^/    /' >&2
            return 1
        fi
        sleep 0.1
    done
}

engine_stop() {
    [ -n "$engine_pid" ] || return 0
    local child patience=300
    child=$(cat "/proc/$engine_pid/task/$engine_pid/children" 2>/dev/null) || :
    # shellcheck disable=SC2086 # a number, or nothing
    [ -z "$child" ] || kill -s TERM $child 2>/dev/null || :
    while kill -0 "$engine_pid" 2>/dev/null && [ $patience -gt 0 ]; do
        patience=$((patience - 1))
        sleep 0.1
    done
    kill -s KILL "$engine_pid" 2>/dev/null || : # and with it its child, the first process of all
    wait "$engine_pid" 2>/dev/null || :
    engine_pid=
    engine_restore_network
    [ -n "$engine_had_key" ] || rm -f /etc/docker/key.json
    rmdir /run/docker/plugins /run/docker /run/containerd/s /run/containerd 2>/dev/null || : # empty ones
    find /sys/fs/cgroup -depth -type d -path "*/$(basename "$work")*" -exec rmdir {} + 2>/dev/null || :
}

engine_restore_network() {
    local table line device
    for device in /sys/class/net/docker0 /sys/class/net/br-????????????; do
        device=${device##*/}
        grep -qxF "$device" <<<"$engine_devices" || ip link delete "$device" 2>/dev/null || :
    done
    # Rules and chains that dockerd has made, which all bear its name or its bridges'.
    iptables-save 2>/dev/null | while read -r line; do
        case $line in
        '*'*) table=${line#'*'} ;;
        -A*DOCKER* | -A*docker0* | -A*' br-'*)
            # shellcheck disable=SC2086 # the words of a rule
            grep -qxF -- "$line" <<<"$engine_before" || iptables -t "$table" -D ${line#-A } 2>/dev/null || :
            ;;
        esac
    done
    iptables-save 2>/dev/null | while read -r line; do
        case $line in
        '*'*) table=${line#'*'} ;;
        ':DOCKER'*)
            line=${line%% *}
            grep -q "^$line " <<<"$engine_before" || iptables -t "$table" -X "${line#:}" 2>/dev/null || :
            ;;
        esac
    done
    grep -q '^:FORWARD DROP' <<<"$engine_before" || iptables -P FORWARD ACCEPT 2>/dev/null || :
    echo "$engine_forward" >/proc/sys/net/ipv4/ip_forward
}
