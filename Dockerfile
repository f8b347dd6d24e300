# One image for the three containers of compose.yaml: nginx, wspush-fcgi and wspushd. `docker build .` needs no argument; BASE is
# for those who have Debian 12 under another name. No syntax newer than Docker 20.10's classic builder.
ARG BASE=debian:bookworm-slim

FROM $BASE AS build
WORKDIR /wspush
COPY conf/install-deps.sh conf/
RUN conf/install-deps.sh build
COPY . .
# As on any machine, without what only a compiler, a reader or systemd wants.
RUN make -j"$(nproc)" BUILD=/build all library \
    && make BUILD=/build DESTDIR=/image PREFIX=/usr install \
    && rm -rf /image/usr/include /image/usr/lib /image/usr/share/doc /image/usr/share/man \
        /image/usr/share/bash-completion \
    && strip /image/usr/sbin/* /image/usr/bin/* \
    && install -D -m 644 conf/docker/nginx.conf /image/etc/nginx/nginx.conf \
    && install -D -m 644 conf/docker/site.conf /image/etc/nginx/sites-enabled/wspush.conf \
    && install -d /image/etc/nginx/server.d \
    && install -D -t /image/usr/libexec/wspush conf/docker/start.sh conf/docker/health.sh
# What has to be there when they run: Debian's packages of the libraries that the programs name.
RUN objdump -p /image/usr/sbin/* /image/usr/bin/* | awk '$1 == "NEEDED" { print "*/" $2 }' | sort -u \
    | xargs dpkg-query -S | cut -d: -f1 | sort -u >/packages

FROM $BASE
# The numbers are compose.yaml's too. A volume on /run/wspush inherits the owner.
RUN groupadd -g 10001 wspush \
    && useradd -u 10001 -g wspush -d /nonexistent -M -s /usr/sbin/nologin wspush \
    && install -d -o wspush -g wspush /run/wspush
COPY --from=build /packages /tmp/packages
# nginx must not be started by being installed. libfcgi-bin is for the health check. The link is for `nginx -t` by hand.
RUN printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d \
    && apt-get -q update \
    && DEBIAN_FRONTEND=noninteractive xargs apt-get -q -y install --no-install-recommends nginx libfcgi-bin </tmp/packages \
    && apt-get clean && rm -rf /var/lib/apt/lists/* /etc/nginx/sites-enabled/* /tmp/packages \
    && find /var/log -type f -delete && ln -s /dev/stderr /var/log/nginx/error.log
COPY --from=build /image/ /
USER 10001:10001
RUN wspushd --check-config && wspush-fcgi --check-config && wsctl --version
LABEL org.opencontainers.image.title="wspush" \
      org.opencontainers.image.description="Real-time push for any site behind nginx" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="0.1.0"
EXPOSE 8080
CMD ["/usr/libexec/wspush/start.sh", "ws"]
