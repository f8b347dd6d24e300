#!/bin/sh
# inside.sh BUILD TMP: lays out the machine that the documents speak of, in namespaces made by run.sh, and runs the checks there.
#
# The machine: users wspush, www-data and alice as the package has them; wspush by `make install`; the daemons; a certificate for
# https://www.example.com; PHP's FastCGI server; a clone of the tree. What is written to /etc, /usr and /var is in memory.
set -eu

build=$1
tmp=$2
top=$(pwd)

# ---- a machine of our own ----
mkdir "$tmp/over"
mount -t tmpfs -o mode=755 tmpfs "$tmp/over"
for tree in etc usr var; do
    mkdir "$tmp/over/$tree" "$tmp/over/.$tree"
    mount -t overlay overlay -o "lowerdir=/$tree,upperdir=$tmp/over/$tree,workdir=$tmp/over/.$tree" /$tree
done
mount -t tmpfs -o mode=755 tmpfs /run
ip link set lo up
ip address add 10.0.0.1/32 dev lo # another address to come from
rm -rf /etc/nginx/sites-enabled/* /etc/nginx/conf.d/* /etc/nginx/snippets/wspush-* /etc/wspush /usr/local/bin/wsctl /var/log/nginx
mkdir -p /run/lock /run/php /var/log/nginx /var/lib/nginx /var/www/www.example.com
echo '127.0.0.1 localhost www.example.com' >/etc/hosts
install -t /usr/local/bin t/docs/bin/*

# ---- users, as the package's sysusers.d makes them ----
for name in wspush alice; do
    getent passwd $name >/dev/null || useradd --system --user-group --no-create-home --shell /usr/sbin/nologin $name
done
usermod -a -G www-data wspush
usermod -a -G wspush www-data
install -d -o wspush -g wspush /run/wspush

# ---- a clone, and what is built installed from it ----
mkdir "$tmp/wspush"
git -c safe.directory='*' ls-files -co --exclude-standard -z | xargs -0 cp -a --parents -t "$tmp/wspush"
[ "$build" != "$top/build" ] || cp -a "$build" "$tmp/wspush/build"
if ! make -C "$tmp/wspush" BUILD="$build" PREFIX=/usr install >"$tmp/install.log" 2>&1; then
    echo "t/docs: make install failed:"
    cat "$tmp/install.log"
    exit 1
fi
install -D -m 644 -t /lib/systemd/system conf/systemd/*.service

# ---- the site's certificate, and PHP ----
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=www.example.com \
    -addext subjectAltName=DNS:www.example.com -keyout /etc/ssl/private/www.example.com.key \
    -out /etc/ssl/certs/www.example.com.pem 2>/dev/null
for php in /usr/sbin/php-fpm*; do :; done
php=${php##*/php-fpm}
ln -s "php$php-fpm.sock" /run/php/php-fpm.sock

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$tmp/home" LC_ALL=C.UTF-8
export WSPUSH_TMP="$tmp" WSPUSH_TOP="$top" WSPUSH_PHP="php$php"
export CURL_CA_BUNDLE=/etc/ssl/certs/www.example.com.pem NODE_EXTRA_CA_CERTS=/etc/ssl/certs/www.example.com.pem
export PYTHONDONTWRITEBYTECODE=1 REDISCLI_HISTFILE=/dev/null
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL WSPUSH_SOCKET WSPUSH_RUN http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NODE_OPTIONS
mkdir "$HOME"
echo silent >"$HOME/.curlrc" # as on a terminal: no progress
python3 -s t/docs/run.py
