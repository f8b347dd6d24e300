#!/bin/sh
# t/package/include.sh: what a reader of the README does to Debian's stock default site: the two lines, and a location with the page.
set -eu
# shellcheck disable=SC2016 # nginx's $uri
awk '{ print } /server_name _;/ {
    print "\tinclude snippets/wspush-server.conf;"
    print "\tlocation ^~ /chat { include snippets/wspush-here.conf; try_files $uri =404; }"
    print "\tlocation ^~ /test/ { include snippets/wspush-page.conf; }"
}' /etc/nginx/sites-available/default >/tmp/default.new
cp /tmp/default.new /etc/nginx/sites-available/default
