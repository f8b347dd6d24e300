"""The servers of other people that ours is compared with."""

import copy
import os
import shutil

from drive.servers import TOP, Server, user_line

NCHAN_CONF = """
load_module {module};
{user}
pid nginx.pid;
error_log stderr warn;
worker_processes 1;
worker_rlimit_nofile 20000;
events {{
    worker_connections 20000;
}}
http {{
    access_log off;
    client_body_temp_path temp/body;
    proxy_temp_path       temp/proxy;
    fastcgi_temp_path     temp/fastcgi;
    uwsgi_temp_path       temp/uwsgi;
    scgi_temp_path        temp/scgi;
    keepalive_requests 100000000;   # of the publisher's one connection
    server {{
        listen {http} backlog=4096;
        location = /bench {{
            nchan_subscriber websocket;
            nchan_subscriber_first_message newest;
            nchan_channel_id bench;
        }}
        location = /publish {{
            nchan_publisher http;
            nchan_channel_id bench;
            nchan_store_messages off;   # as ours, which keeps no history; it is the cheapest that nchan has
        }}
    }}
}}
"""
NCHAN_MODULE = "/usr/lib/nginx/modules/ngx_nchan_module.so"
PEERS = f"{TOP}/t/bench/peers"


class Nchan(Server):
    """nchan, in nginx itself; published by HTTP."""

    def __init__(self, _, folder, transport):
        super().__init__(folder, transport)
        self.started()
        self.publish_by = ["--control", self.http, "--channel", "/publish", "--post"]

    def by(self, connections):
        """The same server, published to over so many connections in turn; messages have no order then."""
        other = copy.copy(self)
        other.publish_by = [*self.publish_by, "--publishers", str(connections)]
        return other

    def write_conf(self):
        os.makedirs(f"{self.folder}/etc")
        os.makedirs(f"{self.folder}/temp")
        with open(f"{self.folder}/etc/nginx.conf", "w", encoding="utf-8") as out:
            out.write(NCHAN_CONF.format(module=NCHAN_MODULE, user=user_line(), http=self.http))


class NodeWs(Server):
    """The npm module ws, behind the same nginx as ours."""

    def __init__(self, _, folder, transport):
        super().__init__(folder, transport)
        node = shutil.which("node") or "node"
        self.begin([node, f"{PEERS}/ws.mjs", f"{folder}/ws.sock", f"{folder}/control.sock"], self.control)
        self.started()
