#!/bin/sh
# start.sh web|fcgi|ws: what the three containers run. It turns the environment into configuration, and then becomes the program.
#
#   web    WSPUSH_HOSTS     host names that the built-in site answers to, besides localhost, 127.0.0.1 and [::1]
#   fcgi   WSPUSH_ORIGINS   origins whose pages may push and connect, besides the site's own host
#   ws     WSPUSH_ORIGINS   the same
#
# Status, if it does not come to that: 2, a variable is wrong. What the program's own configuration lacks, it says itself.
set -euf

die() {
    echo "wspush: $*" >&2
    exit 2
}

config=/etc/wspush/wspush.conf

# hosts: a line of server_name. A name has nothing in it that nginx would read as more than a name.
hosts() {
    for host in ${WSPUSH_HOSTS-}; do
        case $host in
        *[!][A-Za-z0-9.*:_-]*) die "WSPUSH_HOSTS has '$host', which is no host name; write names with spaces between, without http:// and port" ;;
        *[!]]:* | *:*[!]0-9A-Fa-f:]*) die "WSPUSH_HOSTS has '$host'; leave the port out" ;;
        esac
        echo "server_name $host;"
    done
}

# origins: a wspush.conf that says nothing else, so it takes the place of one that says nothing.
origins() {
    list=
    for origin in ${WSPUSH_ORIGINS-}; do
        case $origin in
        *[\"\'\\\$]*) die "WSPUSH_ORIGINS has '$origin', which is no origin; write https://a.example, with spaces between several" ;;
        esac
        list="$list${list:+, }\"$origin\""
    done
    echo "# From the environment, WSPUSH_ORIGINS."
    echo "origins = {$list}"
}
# prepare_config: where the daemon's configuration is.
prepare_config() {
    [ -n "${WSPUSH_ORIGINS-}" ] || return 0
    if grep -qsv '^[[:space:]]*\(#.*\)\{0,1\}$' $config; then
        die "WSPUSH_ORIGINS is set, but $config has settings of your own: write origins = { } there, and unset the variable"
    fi
    origins >/tmp/wspush.conf
    config=/tmp/wspush.conf
}

case ${1-} in
web)
    # shellcheck disable=SC3045 # dash has ulimit -n
    echo "worker_connections $(ulimit -n);" >/tmp/connections.conf
    hosts >/tmp/hosts.conf
    exec nginx -e stderr -g 'daemon off;'
    ;;
fcgi)
    prepare_config
    exec wspush-fcgi --config $config
    ;;
ws)
    prepare_config
    exec wspushd --config $config
    ;;
*) die "usage: start.sh web|fcgi|ws" ;;
esac
