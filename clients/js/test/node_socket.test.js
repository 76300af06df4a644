import assert from 'node:assert/strict';
import test from 'node:test';

import {NodeSocket} from '../src/node_socket.js';
import {Peer, closeFrame, frame, welcome} from './peer.js';

/** @param {NodeSocket} socket */
function opened(socket) {
    return new Promise((resolve, reject) => {
        socket.onopen = () => resolve(undefined);
        socket.onerror = event => reject(Object.assign(new Error(event.message), event));
    });
}

/** @param {NodeSocket} socket @returns {Promise<{code: number, reason: string, wasClean: boolean}>} */
function closed(socket) {
    return new Promise(resolve => {
        socket.onclose = resolve;
    });
}

/** @param {NodeSocket} socket @returns {Promise<string | Uint8Array>} */
function message(socket) {
    return new Promise(resolve => {
        socket.onmessage = event => resolve(event.data);
    });
}

/** @param {import('node:test').TestContext} t @param {{messageLimit?: number}} [limits] */
async function pair(t, limits) {
    const peer = await Peer.start(t);
    const socket = new NodeSocket(peer.ws, ['swanbridge.v1', 'bearer.secret'], limits);
    const open = opened(socket);
    const line = await peer.accept();
    await open;
    return {socket, line};
}

test('the handshake offers the subprotocols and takes the one that was chosen', async t => {
    const {socket, line} = await pair(t);
    assert.equal(line.request.url, '/ws');
    assert.equal(line.request.headers['sec-websocket-protocol'], 'swanbridge.v1, bearer.secret');
    assert.equal(line.request.headers['sec-websocket-version'], '13');
    assert.equal(socket.protocol, 'swanbridge.v1');
});

for (const length of [0, 1, 125, 126, 65535, 65536, 200_000]) {
    test(`a text of ${length} characters goes out masked and whole, and comes back`, async t => {
        const {socket, line} = await pair(t);
        const text = 'x'.repeat(length);
        socket.send(text);
        const {opcode, payload, masked} = await line.frame();
        assert.deepEqual({opcode, masked, text: payload.toString()}, {opcode: 1, masked: true, text});
        const back = message(socket);
        line.stream.write(frame(1, text));
        assert.equal(await back, text);
    });
}

/** @type {[string, (head: string) => string, RegExp][]} */
const BAD_HANDSHAKES = [
    ['a wrong Sec-WebSocket-Accept', head => head.replace(/Accept: ./, 'Accept: !'), /Accept/],
    ['an upgrade to something else', head => head.replace('Upgrade: websocket', 'Upgrade: h2c'), /something else/],
    ['an extension nobody offered', head => head.replace('\r\n\r\n', '\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n'), /extension/],
    ['a subprotocol nobody offered', head => head.replace('swanbridge.v1', 'mqtt'), /subprotocol/],
    ['no HTTP at all', () => 'SSH-2.0-OpenSSH_9.2\r\n', /Parse Error|HTTP/],
];
for (const [what, spoil, says] of BAD_HANDSHAKES) {
    test(`${what} ends the handshake`, async t => {
        const peer = await Peer.start(t);
        peer.greet = request => spoil(welcome(request));
        const socket = new NodeSocket(peer.ws, ['swanbridge.v1']);
        const end = closed(socket);
        await assert.rejects(opened(socket), says);
        assert.deepEqual(await end, {code: 1006, reason: '', wasClean: false});
    });
}

test('a refusal is told with its status and its text', async t => {
    const peer = await Peer.start(t);
    peer.greet = () => 'HTTP/1.1 403 Forbidden\r\nContent-Length: 15\r\nConnection: close\r\n\r\nuse --allow-xyz';
    await assert.rejects(opened(new NodeSocket(peer.ws, [])), {status: 403, message: /use --allow-xyz/});
});

test('fragments make one message, and a ping between them is answered', async t => {
    const {socket, line} = await pair(t);
    const whole = message(socket);
    const bytes = Buffer.from('ein Stück');
    line.stream.write(frame(1, bytes.subarray(0, 7), false)); // inside the ü
    line.stream.write(frame(9, 'are you there'));
    line.stream.write(frame(0, '', false));
    line.stream.write(frame(0, bytes.subarray(7)));
    assert.equal(await whole, 'ein Stück');
    const {opcode, payload} = await line.frame();
    assert.deepEqual([opcode, payload.toString()], [10, 'are you there']);
});

test('bytes may come one at a time', async t => {
    const {socket, line} = await pair(t);
    const whole = message(socket);
    const text = 'y'.repeat(130);
    for (const byte of frame(1, text)) line.stream.write(Buffer.from([byte]));
    assert.equal(await whole, text);
});

test('messages that come in the same packet as the handshake are not lost', async t => {
    const peer = await Peer.start(t);
    peer.greet = request => Buffer.concat([Buffer.from(welcome(request)), frame(1, 'early'), frame(1, 'bird')]);
    const socket = new NodeSocket(peer.ws, []);
    /** @type {unknown[]} */
    const heard = [];
    await new Promise(resolve => {
        socket.onmessage = ({data}) => heard.push(data) === 2 && resolve(undefined);
    });
    assert.deepEqual(heard, ['early', 'bird']);
});

/** @type {[string, Buffer, number][]} */
const VIOLATIONS = [
    ['a masked frame', Buffer.from([0x81, 0x81, 0, 0, 0, 0, 65]), 1002],
    ['a reserved bit', Buffer.from([0xc1, 0x00]), 1002],
    ['an unknown opcode', Buffer.from([0x83, 0x00]), 1002],
    ['an unknown control opcode', Buffer.from([0x8b, 0x00]), 1002],
    ['a fragmented ping', Buffer.from([0x09, 0x00]), 1002],
    ['a long ping', frame(9, 'x'.repeat(126)), 1002],
    ['a continuation of nothing', frame(0, 'x'), 1002],
    ['a message inside a message', Buffer.concat([frame(1, 'x', false), frame(1, 'y')]), 1002],
    ['a close frame of one byte', frame(8, 'x'), 1002],
    ['a close code that is for local use', closeFrame(1006), 1002],
    ['text that is no UTF-8', frame(1, Buffer.from([0xff, 0xfe])), 1007],
    ['a close reason that is no UTF-8', frame(8, Buffer.from([3, 232, 0xff])), 1007],
    ['a frame over the limit', frame(1, 'x'.repeat(1001)), 1009],
    ['a frame that only says it is huge', Buffer.from([0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255]), 1009],
    ['fragments that are over the limit together', Buffer.concat([frame(1, 'x'.repeat(600), false), frame(0, 'x'.repeat(600))]), 1009],
];
for (const [what, bytes, code] of VIOLATIONS) {
    test(`${what} closes with ${code} and is no message`, async t => {
        const {socket, line} = await pair(t, {messageLimit: 1000});
        socket.onmessage = () => assert.fail('a message came');
        const end = closed(socket);
        line.stream.write(bytes);
        const {opcode, payload} = await line.frame();
        assert.deepEqual([opcode, payload.readUInt16BE(0)], [8, code]);
        line.stream.end();
        const {wasClean, ...rest} = await end;
        assert.deepEqual([rest.code, wasClean], [code, false]);
    });
}

test("the server's close is answered and told", async t => {
    const {socket, line} = await pair(t);
    const end = closed(socket);
    line.close(1013, 'too far behind');
    const {opcode, payload} = await line.frame();
    assert.deepEqual([opcode, payload.readUInt16BE(0)], [8, 1013]);
    assert.deepEqual(await end, {code: 1013, reason: 'too far behind', wasClean: true});
});

test('our own close is told once the server has answered it', async t => {
    const {socket, line} = await pair(t);
    const end = closed(socket);
    socket.close(1000, 'ü'.repeat(100));
    const {payload} = await line.frame();
    assert.equal(payload.subarray(2).toString(), 'ü'.repeat(61)); // 123 bytes, cut between characters
    line.close(1000, 'bye');
    assert.deepEqual(await end, {code: 1000, reason: 'bye', wasClean: true});
});

test('close codes that browsers do not let programs send are refused', async t => {
    const {socket} = await pair(t);
    assert.throws(() => socket.close(1013), RangeError);
});

test('a server that does not answer a close is left after two seconds', async t => {
    t.mock.timers.enable({apis: ['setTimeout']});
    const {socket, line} = await pair(t);
    const end = closed(socket);
    socket.close(1000);
    await line.frame();
    t.mock.timers.tick(2000);
    assert.deepEqual(await end, {code: 1006, reason: '', wasClean: false});
});

test('a server that never answers the handshake is left after ten seconds', async t => {
    t.mock.timers.enable({apis: ['setTimeout']});
    const peer = await Peer.start(t);
    peer.greet = () => '';
    const socket = new NodeSocket(peer.ws, []);
    const open = opened(socket);
    await peer.accept();
    t.mock.timers.tick(10_000);
    await assert.rejects(open, /did not answer/);
});

test('a lost line is told as 1006', async t => {
    const {socket, line} = await pair(t);
    const end = closed(socket);
    line.cut();
    assert.equal((await end).code, 1006);
});

test('nobody listening there is an error that says so', async t => {
    const peer = await Peer.start(t);
    const address = peer.ws;
    peer.stop();
    await assert.rejects(opened(new NodeSocket(address, [])), /ECONNREFUSED/);
});
