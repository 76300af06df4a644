/**
 * RFC 6455 frames, without input or output: bytes in, messages out, and the bytes of a frame to send.
 * Only for Node; see node_socket.js.
 */
import {randomFillSync} from 'node:crypto';

export const TEXT = 0x1;
export const BINARY = 0x2;
export const CLOSE = 0x8;
export const PING = 0x9;
export const PONG = 0xa;
const CONTINUATION = 0x0;

/** The peer broke the protocol; `code` is the close code that tells it so. */
export class ProtocolError extends Error {
    /**
     * @param {number} code
     * @param {string} message
     */
    constructor(code, message) {
        super(message);
        this.code = code;
    }
}

/**
 * The bytes of one masked frame.
 *
 * @param {number} opcode
 * @param {Uint8Array} payload at most 125 bytes for a control frame
 * @returns {Buffer}
 */
export function encode(opcode, payload) {
    const length = payload.length;
    const extended = length < 126 ? 0 : length < 65536 ? 2 : 8;
    const head = 2 + extended;
    const frame = Buffer.allocUnsafe(head + 4 + length);
    frame[0] = 0x80 | opcode;
    frame[1] = 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127);
    if (extended === 2) frame.writeUInt16BE(length, 2);
    if (extended === 8) frame.writeBigUInt64BE(BigInt(length), 2);
    randomFillSync(frame, head, 4);
    for (let index = 0; index < length; index++) {
        frame[head + 4 + index] = /** @type {number} */ (payload[index]) ^ /** @type {number} */ (frame[head + (index & 3)]);
    }
    return frame;
}

/**
 * The payload of a close frame.
 *
 * @param {number | undefined} code
 * @param {string} reason cut to what a control frame holds, never inside a character
 */
export function closePayload(code, reason) {
    if (code === undefined) return Buffer.alloc(0);
    let text = Buffer.from(reason);
    if (text.length > 123) {
        let end = 123;
        while ((/** @type {number} */ (text[end]) & 0xc0) === 0x80) end--;
        text = text.subarray(0, end);
    }
    const payload = Buffer.alloc(2 + text.length);
    payload.writeUInt16BE(code, 0);
    text.copy(payload, 2);
    return payload;
}

/**
 * What a close frame says; 1005 when it says nothing.
 *
 * @param {Buffer} payload
 * @returns {{code: number, reason: string}}
 */
export function readClose(payload) {
    if (payload.length === 0) return {code: 1005, reason: ''};
    if (payload.length === 1) throw new ProtocolError(1002, 'a close frame of one byte');
    const code = payload.readUInt16BE(0);
    const known = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
    if (!known) throw new ProtocolError(1002, `close code ${code} may not be sent`);
    return {code, reason: utf8(payload.subarray(2))};
}

/** @param {Buffer} bytes */
function utf8(bytes) {
    try {
        return new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(bytes);
    } catch {
        throw new ProtocolError(1007, 'text that is not UTF-8');
    }
}

/**
 * @typedef {{kind: 'message', data: string | Buffer} | {kind: 'ping' | 'pong' | 'close', payload: Buffer}} Arrival
 */

/** Puts frames of a server together to messages. */
export class FrameReader {
    /** @type {Buffer[]} what came and is not read yet */
    #chunks = [];
    #size = 0;
    /** @type {Buffer[]} the fragments of the message under way */
    #fragments = [];
    #fragmentsSize = 0;
    /** Opcode of the message under way, 0 for none. */
    #opcode = 0;
    #limit;

    /** @param {number} limit bytes that one message may have */
    constructor(limit) {
        this.#limit = limit;
    }

    /**
     * Take bytes as they came and yield what is complete.
     *
     * @param {Buffer} bytes
     * @returns {Generator<Arrival, void>}
     * @throws {ProtocolError}
     */
    *feed(bytes) {
        this.#chunks.push(bytes);
        this.#size += bytes.length;
        for (;;) {
            const frame = this.#frame();
            if (!frame) return;
            const arrival = this.#arrival(frame);
            if (arrival) yield arrival;
        }
    }

    /** Read one whole frame, or nothing as long as bytes are missing. */
    #frame() {
        if (this.#size < 2) return undefined;
        // The head is looked at again with every chunk; the payload is joined only once it is all here.
        const head = this.#peek(10);
        const first = /** @type {number} */ (head[0]);
        const second = /** @type {number} */ (head[1]);
        const opcode = first & 0x0f;
        const final = (first & 0x80) !== 0;
        if (first & 0x70) throw new ProtocolError(1002, 'a reserved bit is set and no extension was agreed on');
        if (second & 0x80) throw new ProtocolError(1002, 'a server must not mask its frames');
        const short = second & 0x7f;
        const headSize = short < 126 ? 2 : short === 126 ? 4 : 10;
        if (this.#size < headSize) return undefined;
        const length = short < 126 ? short : short === 126 ? head.readUInt16BE(2) : Number(head.readBigUInt64BE(2));
        if (opcode >= CLOSE) {
            if (opcode > PONG) throw new ProtocolError(1002, `unknown opcode ${opcode}`);
            if (!final || length > 125) throw new ProtocolError(1002, 'a control frame must be short and whole');
        } else {
            if (opcode > BINARY) throw new ProtocolError(1002, `unknown opcode ${opcode}`);
            if (this.#fragmentsSize + length > this.#limit) {
                throw new ProtocolError(1009, `a message is over ${this.#limit} bytes`);
            }
        }
        if (this.#size < headSize + length) return undefined;
        return {opcode, final, payload: this.#take(headSize + length).subarray(headSize)};
    }

    /**
     * @param {{opcode: number, final: boolean, payload: Buffer}} frame
     * @returns {Arrival | undefined}
     */
    #arrival({opcode, final, payload}) {
        if (opcode === PING) return {kind: 'ping', payload};
        if (opcode === PONG) return {kind: 'pong', payload};
        if (opcode === CLOSE) return {kind: 'close', payload};
        if (opcode === CONTINUATION && this.#opcode === 0) throw new ProtocolError(1002, 'nothing to continue');
        if (opcode !== CONTINUATION && this.#opcode !== 0) throw new ProtocolError(1002, 'a message inside a message');
        if (opcode !== CONTINUATION) this.#opcode = opcode;
        this.#fragments.push(payload);
        this.#fragmentsSize += payload.length;
        if (!final) return undefined;
        const whole = this.#fragments.length === 1 ? payload : Buffer.concat(this.#fragments);
        const text = this.#opcode === TEXT;
        this.#fragments = [];
        this.#fragmentsSize = 0;
        this.#opcode = 0;
        return {kind: 'message', data: text ? utf8(whole) : whole};
    }

    /** @param {number} count at most so many bytes from the front, left in place */
    #peek(count) {
        const first = /** @type {Buffer} */ (this.#chunks[0]);
        if (first.length >= count || this.#chunks.length === 1) return first.subarray(0, count);
        // Small chunks in front: join until there is enough for a head.
        while (this.#chunks.length > 1 && /** @type {Buffer} */ (this.#chunks[0]).length < count) {
            this.#chunks.splice(0, 2, Buffer.concat(this.#chunks.slice(0, 2)));
        }
        return /** @type {Buffer} */ (this.#chunks[0]).subarray(0, count);
    }

    /** @param {number} count exactly so many bytes off the front */
    #take(count) {
        const first = /** @type {Buffer} */ (this.#chunks[0]);
        const whole = first.length >= count ? first : Buffer.concat(this.#chunks);
        this.#chunks = whole === first ? this.#chunks : [whole];
        this.#size -= count;
        if (whole.length === count) this.#chunks.shift();
        else this.#chunks[0] = whole.subarray(count);
        return whole.subarray(0, count);
    }
}
