#!/bin/sh
# install-deps.sh GROUP ... installs the Debian packages of the groups that are missing, and only those.
# Nothing is asked of the network, and no privilege is needed, when all are there.
set -eu

packages() {
    case $1 in
    build) echo gcc make libc6-dev pkg-config libfcgi-dev libwslay-dev zlib1g-dev nettle-dev libhiredis-dev libconfuse-dev libjansson-dev uthash-dev libsystemd-dev libedit-dev ;;
    run) echo nginx ;;
    check) echo nginx check libsubunit-dev curl ;;
    memcheck) echo valgrind ;;
    interop) echo nodejs npm redis-tools python3 python3-websockets python3-autobahn python3-redis php-cli php-redis libwebsockets-dev chromium ;;
    chaos) echo python3 python3-websockets ;;
    terminal) echo tmux python3 ;;
    browser) echo nodejs npm chromium ;;
    compose) echo docker.io docker-compose iptables iproute2 debootstrap python3 python3-websockets python3-yaml ;;
    deb) echo build-essential dpkg-dev debhelper ;;
    package) echo debootstrap dpkg-dev git iproute2 lintian ;;
    coverage) echo gcovr ;;
    guard) echo valgrind ;;
    bench) echo python3 binutils ;;
    peers) echo libnginx-mod-nchan nodejs npm ;;
    dropin) echo nginx php-fpm php-redis openssl curl iproute2 procps systemd python3 python3-websockets ;;
    docs) echo mandoc bash-completion nginx php-cli php-fpm php-redis nodejs npm redis-tools python3 python3-redis python3-websockets docker-compose curl openssl iproute2 procps ;;
    fuzz) echo clang libclang-rt-dev ;;
    lint) echo binutils clang clang-format clang-tidy cppcheck shellcheck git mandoc python3 ;;
    *)
        echo "install-deps: no group '$1' (build run check memcheck interop chaos terminal browser compose coverage guard bench peers deb package dropin docs fuzz lint)" >&2
        exit 2
        ;;
    esac
}

# npm comes with nodejs in some packagings; a command that is there needs no package.
present() {
    case $1 in
    npm | git | make | gcc) command -v "$1" >/dev/null 2>&1 && return 0 ;;
    nodejs) command -v node >/dev/null 2>&1 && return 0 ;;
    # Docker's own packages are removed when Debian's come.
    docker.io) command -v dockerd >/dev/null 2>&1 && return 0 ;;
    docker-compose) { command -v docker-compose || docker compose version; } >/dev/null 2>&1 && return 0 ;;
    esac
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=
for group in "$@"; do
    for package in $(packages "$group"); do
        present "$package" || case " $missing " in *" $package "*) ;; *) missing="$missing $package" ;; esac
    done
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "install-deps: this is not a Debian machine; please install the equivalents of:$missing" >&2
    exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "install-deps: not root and no sudo; as root, run: apt-get install$missing" >&2
        exit 1
    fi
    as_root=sudo
fi

echo "installing:$missing"
# Debian starts nginx on port 80 when it installs it; we want the program, not a server that nobody asked for.
guard=/usr/sbin/policy-rc.d
guarded=
if [ ! -e $guard ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $guard >/dev/null
    $as_root chmod 755 $guard
    guarded=yes
    trap '[ -z "$guarded" ] || $as_root rm -f $guard' EXIT INT TERM
fi
# shellcheck disable=SC2086 # the list is meant to be split
install() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
        install --no-install-recommends $missing
}
$as_root apt-get -q update
install
