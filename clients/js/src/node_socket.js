/**
 * A WebSocket client (RFC 6455) for Node: release 20 has none of its own, and that of later ones does not tell
 * with which status and words an upgrade was refused.
 *
 * It has the part of the browser's interface that session.js uses: on* properties, send, close. No extensions.
 */
import {createHash, randomBytes} from 'node:crypto';
import http from 'node:http';
import https from 'node:https';

import {BINARY, CLOSE, FrameReader, PONG, ProtocolError, TEXT, closePayload, encode, readClose} from './frames.js';

const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** Bytes that one message may have; a snapshot of a thousand contexts is well under one million. */
const MESSAGE_LIMIT = 64 * 1024 * 1024;
const HANDSHAKE_LIMIT_MS = 10_000;
/** How long the peer may take to answer a close frame, or to end the stream after it. */
const CLOSE_LIMIT_MS = 2_000;
/** When a line is dead without a word, the system's probes find out. */
const KEEP_ALIVE_MS = 15_000;
/** How much of a refusal's body is read, in characters. */
const REFUSAL_LIMIT = 1024;

/** @typedef {{code: number, reason: string, wasClean: boolean}} CloseEvent */

export class NodeSocket {
    /** @type {(() => void) | null} */
    onopen = null;
    /** @type {((event: {data: string | Uint8Array}) => void) | null} */
    onmessage = null;
    /** @type {((event: {message: string, status?: number}) => void) | null} before onclose, when something failed */
    onerror = null;
    /** @type {((event: CloseEvent) => void) | null} exactly once, last */
    onclose = null;
    /** The subprotocol the server chose. */
    protocol = '';

    /** @type {'connecting' | 'open' | 'closing' | 'closed'} */
    #state = 'connecting';
    /** @type {http.ClientRequest} */
    #request;
    /** @type {import('node:stream').Duplex | undefined} */
    #stream;
    #reader;
    /** @type {NodeJS.Timeout | undefined} */
    #timer;
    /** @type {CloseEvent} */
    #ending = {code: 1006, reason: '', wasClean: false};
    #closeSent = false;

    /**
     * Begin the handshake.
     *
     * @param {string} url ws:// or wss://
     * @param {string[]} protocols subprotocols to offer
     * @param {{messageLimit?: number}} [limits]
     */
    constructor(url, protocols = [], {messageLimit = MESSAGE_LIMIT} = {}) {
        this.#reader = new FrameReader(messageLimit);
        const address = new URL(url);
        const secure = address.protocol === 'wss:';
        address.protocol = secure ? 'https:' : 'http:';
        const key = randomBytes(16).toString('base64');
        const request = (secure ? https : http).request(address, {
            agent: false,
            headers: {
                Connection: 'Upgrade',
                Upgrade: 'websocket',
                'Sec-WebSocket-Version': '13',
                'Sec-WebSocket-Key': key,
                ...(protocols.length ? {'Sec-WebSocket-Protocol': protocols.join(', ')} : {}),
            },
        });
        this.#request = request;
        this.#timer = setTimeout(() => this.#fail('the server did not answer the handshake'), HANDSHAKE_LIMIT_MS);
        request.on('error', error => this.#fail(error.message));
        request.on('response', response => this.#refused(response));
        request.on('upgrade', (response, stream, head) => {
            const accept = createHash('sha1').update(key + ACCEPT_SUFFIX).digest('base64');
            const chosen = response.headers['sec-websocket-protocol'];
            this.#stream = stream;
            if (this.#state !== 'connecting') stream.destroy();
            else if (response.statusCode !== 101) this.#fail(`the server answered ${response.statusCode}`);
            else if (response.headers.upgrade?.toLowerCase() !== 'websocket') this.#fail('the server upgraded to something else');
            else if (response.headers['sec-websocket-accept'] !== accept) this.#fail('the server does not speak WebSocket (wrong Sec-WebSocket-Accept)');
            else if (response.headers['sec-websocket-extensions']) this.#fail('the server chose an extension that was not offered');
            else if (chosen !== undefined && !protocols.includes(chosen)) this.#fail('the server chose a subprotocol that was not offered');
            else this.#opened(stream, head, chosen ?? '');
        });
        request.end();
    }

    /** @param {string | Uint8Array} data dropped unless the socket is open, as in browsers */
    send(data) {
        if (this.#state !== 'open') return;
        const text = typeof data === 'string';
        this.#stream?.write(encode(text ? TEXT : BINARY, text ? Buffer.from(data) : data));
    }

    /**
     * Close; onclose follows in at most two seconds.
     *
     * @param {number} [code] 1000, or 3000 to 4999, as in browsers
     * @param {string} [reason]
     */
    close(code, reason = '') {
        if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) throw new RangeError(`invalid code ${code}`);
        if (this.#state === 'connecting') this.#fail('closed before it was open');
        else if (this.#state === 'open') this.#sendClose(code, reason);
    }

    /**
     * @param {import('node:stream').Duplex} stream
     * @param {Buffer} head
     * @param {string} protocol
     */
    #opened(stream, head, protocol) {
        clearTimeout(this.#timer);
        this.protocol = protocol;
        this.#state = 'open';
        const socket = /** @type {import('node:net').Socket} */ (stream);
        socket.setTimeout(0);
        socket.setNoDelay(true);
        socket.setKeepAlive(true, KEEP_ALIVE_MS);
        stream.on('error', error => this.#failed(error.message));
        stream.on('end', () => stream.end());
        stream.on('close', () => this.#closed());
        this.onopen?.();
        stream.on('data', chunk => this.#received(chunk));
        if (head.length) this.#received(head);
    }

    /** @param {Buffer} bytes */
    #received(bytes) {
        try {
            for (const arrival of this.#reader.feed(bytes)) {
                if (this.#state === 'closed') return;
                if (arrival.kind === 'message') {
                    if (this.#state === 'open') this.onmessage?.({data: arrival.data});
                } else if (arrival.kind === 'ping') {
                    if (!this.#closeSent) this.#stream?.write(encode(PONG, arrival.payload));
                } else if (arrival.kind === 'close') {
                    this.#ending = {...readClose(arrival.payload), wasClean: true};
                    this.#sendClose(this.#ending.code === 1005 ? undefined : this.#ending.code, '');
                    // The server ends the stream; the timer of #sendClose sees to one that does not.
                    return;
                }
            }
        } catch (error) {
            if (!(error instanceof ProtocolError)) throw error;
            this.#ending = {code: error.code, reason: error.message, wasClean: false};
            this.onerror?.({message: error.message});
            this.#sendClose(error.code, error.message);
            this.#stream?.end();
        }
    }

    /**
     * @param {number | undefined} code
     * @param {string} reason
     */
    #sendClose(code, reason) {
        if (this.#closeSent || this.#state === 'closed') return;
        this.#closeSent = true;
        this.#state = 'closing';
        this.#stream?.write(encode(CLOSE, closePayload(code, reason)));
        this.#timer = setTimeout(() => this.#stream?.destroy(), CLOSE_LIMIT_MS);
    }

    /** @param {http.IncomingMessage} response an answer that is no upgrade */
    #refused(response) {
        let body = '';
        response.setEncoding('utf8');
        response.on('error', () => {});
        response.on('data', text => {
            body = (body + text).slice(0, REFUSAL_LIMIT);
        });
        const tell = () => this.#fail(`the server answered ${response.statusCode}: ${body.trim()}`, response.statusCode);
        response.on('close', tell);
    }

    /**
     * End a handshake that came to nothing.
     *
     * @param {string} message
     * @param {number} [status]
     */
    #fail(message, status) {
        if (this.#state !== 'connecting') return;
        this.#failed(message, status);
        this.#closed();
        this.#stream?.destroy();
        this.#request.destroy();
    }

    /**
     * @param {string} message
     * @param {number} [status]
     */
    #failed(message, status) {
        this.onerror?.(status === undefined ? {message} : {message, status});
    }

    #closed() {
        if (this.#state === 'closed') return;
        clearTimeout(this.#timer);
        this.#state = 'closed';
        this.onclose?.(this.#ending);
    }
}
