#!/bin/bash
# health.sh web|fcgi|ws: the health checks of the three containers, each by using it. 0: it works; 1 and a line that says why not.
# bash, because its /dev/tcp is the HTTP client that the image has anyway.
set -euo pipefail

die() {
    echo "$*"
    exit 1
}

# What a page may be answered with: by `mode = require` 426, by `unlisted = refuse` 404.
good() {
    case $1 in
    200 | 404 | 426) ;;
    *) die "$2 answers ${1:-nothing}" ;;
    esac
}

case ${1-} in
ws) exec wsctl ping ;;
fcgi)
    # A request as nginx sends it. Without a Status line it is 200 (RFC 3875, section 6.3.3).
    reply=$(env -i REQUEST_METHOD=GET REQUEST_URI=/health SERVER_PROTOCOL=HTTP/1.1 \
        /usr/bin/cgi-fcgi -bind -connect /run/wspush/fcgi.sock 2>&1) || die "no FastCGI answer: $reply"
    [[ $reply =~ ^[A-Za-z-]+:\  ]] || die "no FastCGI answer: $reply"
    status=200
    [[ ! $reply =~ (^|$'\n')Status:\ ([0-9]+) ]] || status=${BASH_REMATCH[2]}
    good "$status" wspush-fcgi
    ;;
web)
    exec 3<>/dev/tcp/127.0.0.1/8081
    printf 'GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
    read -r _ status _ <&3 || :
    good "${status-}" nginx
    ;;
*) die "usage: health.sh web|fcgi|ws" ;;
esac
