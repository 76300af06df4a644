/** The other end of a WebSocket, written by hand so that it can also do what no honest server does. */
import {createHash} from 'node:crypto';
import http from 'node:http';

const SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** A queue whose taker waits. @template T */
class Waiting {
    /** @type {T[]} */
    #items = [];
    /** @type {((item: T) => void)[]} */
    #takers = [];

    /** @param {T} item */
    put(item) {
        const taker = this.#takers.shift();
        if (taker) taker(item);
        else this.#items.push(item);
    }

    /** @returns {Promise<T>} */
    take() {
        const item = this.#items.shift();
        return item === undefined ? new Promise(resolve => this.#takers.push(resolve)) : Promise.resolve(item);
    }

    get size() {
        return this.#items.length;
    }
}

/** The honest answer to an upgrade. @param {http.IncomingMessage} request */
export function welcome(request) {
    const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + SUFFIX).digest('base64');
    const offered = request.headers['sec-websocket-protocol'];
    return [
        'HTTP/1.1 101 Switching Protocols',
        'Upgrade: websocket',
        'Connection: Upgrade',
        `Sec-WebSocket-Accept: ${accept}`,
        ...(offered ? [`Sec-WebSocket-Protocol: ${offered.split(',')[0]}`] : []),
        '', '',
    ].join('\r\n');
}

/** A frame as servers send it. @param {number} opcode @param {string | Buffer} payload @param {boolean} [final] */
export function frame(opcode, payload, final = true) {
    const bytes = Buffer.from(payload);
    const head = bytes.length < 126 ? Buffer.from([0, bytes.length]) : Buffer.alloc(bytes.length < 65536 ? 4 : 10);
    if (head.length === 4) head.writeUInt16BE(bytes.length, 2);
    if (head.length === 10) head.writeBigUInt64BE(BigInt(bytes.length), 2);
    if (head.length > 2) head[1] = head.length === 4 ? 126 : 127;
    head[0] = (final ? 0x80 : 0) | opcode;
    return Buffer.concat([head, bytes]);
}

/** @param {number} code @param {string} [reason] */
export function closeFrame(code, reason = '') {
    return frame(8, Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]));
}

/** One accepted socket. */
export class Line {
    /** @type {Waiting<{opcode: number, payload: Buffer, masked: boolean}>} */
    #frames = new Waiting();
    #bytes = Buffer.alloc(0);
    /** Answers a close frame by itself. */
    polite = false;

    /** @param {import('node:stream').Duplex} stream @param {http.IncomingMessage} request */
    constructor(stream, request) {
        this.stream = stream;
        this.request = request;
        /** @type {Promise<void>} */
        this.ended = new Promise(resolve => stream.on('close', resolve));
        stream.on('error', () => {});
        stream.on('end', () => stream.end());
        stream.on('data', chunk => this.#received(chunk));
    }

    /** @param {Buffer} chunk */
    #received(chunk) {
        this.#bytes = Buffer.concat([this.#bytes, chunk]);
        for (;;) {
            const bytes = this.#bytes;
            if (bytes.length < 6) return;
            const short = bytes.readUInt8(1) & 127;
            const start = short < 126 ? 2 : short === 126 ? 4 : 10;
            if (bytes.length < start + 4) return;
            const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
            if (bytes.length < start + 4 + length) return;
            const mask = bytes.subarray(start, start + 4);
            const payload = Buffer.from(bytes.subarray(start + 4, start + 4 + length).map((byte, index) => byte ^ mask.readUInt8(index & 3)));
            if (this.polite && (bytes.readUInt8(0) & 15) === 8) this.close(payload.length ? payload.readUInt16BE(0) : 1000);
            this.#frames.put({opcode: bytes.readUInt8(0) & 15, payload, masked: bytes.readUInt8(1) >= 128});
            this.#bytes = bytes.subarray(start + 4 + length);
        }
    }

    frame() {
        return this.#frames.take();
    }

    /** How many frames came and were not looked at. */
    get unread() {
        return this.#frames.size;
    }

    /** The next request. @returns {Promise<any>} */
    async call() {
        return JSON.parse((await this.frame()).payload.toString());
    }

    /** The next request, which must be this one, answered. @param {string} method @param {unknown} [result] */
    async expect(method, result = {}) {
        const request = await this.call();
        if (request.method !== method) throw new Error(`${request.method} came instead of ${method}`);
        this.answer(request, result);
        return request.params;
    }

    /** @param {unknown} message */
    send(message) {
        this.stream.write(frame(1, JSON.stringify(message)));
    }

    /** @param {any} request @param {unknown} result */
    answer(request, result) {
        this.send({jsonrpc: '2.0', id: request.id, result});
    }

    /** @param {any} request @param {number} code @param {string} errMsg */
    refuse(request, code, errMsg) {
        this.send({jsonrpc: '2.0', id: request.id, error: {code, message: errMsg, data: {name: 'someError', errMsg}}});
    }

    /** @param {string} event @param {object} params */
    tell(event, params) {
        this.send({jsonrpc: '2.0', method: event, params});
    }

    /** @param {number} code @param {string} [reason] */
    close(code, reason) {
        this.stream.write(closeFrame(code, reason));
        this.stream.end();
    }

    /** As when a cable is pulled. */
    cut() {
        this.stream.destroy();
    }
}

export const OPENED = {
    sessionId: 's1',
    epoch: 'e1',
    protocol: 1,
    server: {name: 'peer', version: '0'},
    clock: {mode: 'virtual', now: 0},
    resumed: false,
    truncated: false,
};

export class Peer {
    /** @type {Waiting<Line>} */
    #lines = new Waiting();
    /** @type {Set<Line>} */
    #all = new Set();
    /** What an upgrade is answered with; undefined leaves it to the test. @type {(request: http.IncomingMessage) => string | Buffer} */
    greet = welcome;

    /** @param {import('node:test').TestContext} test which it ends with */
    static async start(test) {
        const peer = new Peer();
        await /** @type {Promise<void>} */ (new Promise(resolve => peer.server.listen(0, '127.0.0.1', resolve)));
        test.after(() => peer.stop());
        return peer;
    }

    constructor() {
        this.server = http.createServer((_request, response) => response.writeHead(404).end());
        this.server.on('upgrade', (request, stream) => {
            stream.write(this.greet(request));
            const line = new Line(stream, request);
            this.#all.add(line);
            this.#lines.put(line);
        });
    }

    get port() {
        return /** @type {import('node:net').AddressInfo} */ (this.server.address()).port;
    }

    get url() {
        return `http://127.0.0.1:${this.port}/?token=secret`;
    }

    get ws() {
        return `ws://127.0.0.1:${this.port}/ws`;
    }

    /** The next socket. */
    accept() {
        return this.#lines.take();
    }

    /** The next socket, its session.open answered. @param {object} [result] */
    async welcomeSession(result = {}) {
        const line = await this.accept();
        line.polite = true;
        const params = await line.expect('session.open', {...OPENED, ...result});
        return {line, params};
    }

    stop() {
        for (const line of this.#all) line.cut();
        this.server.close();
        this.server.closeAllConnections();
    }
}
