// ws.mjs WS_SOCKET CONTROL_SOCKET: a push server as one writes it with the npm module ws. Each message that comes as PUBLISH
// on the control socket is sent to every client.
import { createServer as createHttp } from 'node:http';
import { createServer } from 'node:net';
import { WebSocketServer } from 'ws';

const [webSocket, control] = process.argv.slice(2);
const http = createHttp();
const clients = new WebSocketServer({ server: http, perMessageDeflate: false }).clients;

// Where a request of bulk strings ends, and where its last one stands; undefined if it is not all there.
function request(bytes, start) {
    const line = (from) => {
        const end = bytes.indexOf('\r\n', from);
        return end < 0 ? undefined : { number: Number(bytes.toString('latin1', from + 1, end)), next: end + 2 };
    };
    let at = line(start);
    let payload;
    for (let left = at?.number; at && left > 0; left--) {
        const bulk = line(at.next);
        if (!bulk || bytes.length < bulk.next + bulk.number + 2)
            return undefined;
        payload = [bulk.next, bulk.next + bulk.number];
        at = { next: bulk.next + bulk.number + 2 };
    }
    return at && { payload, end: at.next };
}

function serve(publisher) {
    let rest = Buffer.alloc(0);
    publisher.on('data', (chunk) => {
        let start = 0;
        let answer = '';
        rest = Buffer.concat([rest, chunk]);
        for (let found; (found = request(rest, start)); start = found.end) {
            const payload = rest.subarray(...found.payload);
            for (const client of clients)
                client.send(payload, { binary: false });
            answer += `:${clients.size}\r\n`;
        }
        rest = rest.subarray(start);
        publisher.write(answer);
    });
    publisher.on('error', () => publisher.destroy());
}

http.listen({ path: webSocket, backlog: 4096 }, () => createServer(serve).listen(control));
