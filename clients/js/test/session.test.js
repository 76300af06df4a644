import assert from 'node:assert/strict';
import test from 'node:test';

import {ConnectionLost, connect} from '../src/index.js';
import {locate} from '../src/address.js';
import {Peer} from './peer.js';

/** @typedef {import('../src/public.js').Swan} Swan */

/** @param {import('node:test').TestContext} t @param {Partial<import('../src/public.js').ConnectOptions>} [options] */
async function program(t, options = {}) {
    const peer = await Peer.start(t);
    const connecting = connect({url: peer.url, ...options});
    const {line, params} = await peer.welcomeSession();
    const swan = await connecting;
    // A session that is looking for its daemon must not keep the test alive.
    t.after(() => {
        peer.stop();
        void swan.close();
    });
    return {peer, swan, line, params};
}

/** Wait until the client has taken all that was sent so far. @param {Swan} swan @param {import('./peer.js').Line} line */
async function settled(swan, line) {
    const taken = swan.call('rpc.discover');
    await line.expect('rpc.discover');
    await taken;
}

for (const [given, expected] of [
    ['http://127.0.0.1:7667/?token=abc', {url: 'ws://127.0.0.1:7667/ws', token: 'abc'}],
    ['https://lab.example/swan/?token=a.b-c', {url: 'wss://lab.example/swan/ws', token: 'a.b-c'}],
    ['ws://127.0.0.1:7667/ws', {url: 'ws://127.0.0.1:7667/ws', token: undefined}],
    ['ws://[::1]:7667', {url: 'ws://[::1]:7667/ws', token: undefined}],
]) {
    test(`${given} leads to the socket and the token`, () => assert.deepEqual(locate(/** @type {string} */ (given), undefined), expected));
}

for (const [options, says] of /** @type {[any, RegExp][]} */ ([
    [{}, /url.* is required/],
    [{url: '7667'}, /no address/],
    [{url: 'ftp://x/'}, /none of http/],
    [{url: 'http://x/', token: 'a b'}, /token/],
])) {
    test(`connect(${JSON.stringify(options)}) says what is wrong`, () => assert.rejects(connect(options), says));
}

test('the token goes as a subprotocol, never in the address', async t => {
    const {line, params, swan} = await program(t, {appId: 'my-app', packageRoot: '/srv/app', timeUpdateInterval: 0.1});
    assert.equal(line.request.url, '/ws');
    assert.match(line.request.headers['sec-websocket-protocol'] ?? '', /^swanbridge\.v1, ?bearer\.secret$/);
    assert.deepEqual(params, {appId: 'my-app', protocol: 1, packageRoot: '/srv/app', timeUpdateInterval: 0.1});
    assert.deepEqual(
        {...swan.session},
        {sessionId: 's1', epoch: 'e1', protocol: 1, server: {name: 'peer', version: '0'}, clock: {mode: 'virtual', now: 0}, lastSeq: 0, connected: true},
    );
});

test('a refused token is told as such', async t => {
    const peer = await Peer.start(t);
    peer.greet = () => 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
    await assert.rejects(connect({url: peer.url}), {name: 'ConnectionLost', status: 401, message: /refuses the token/});
});

test('a forbidden origin or host is told in the words of the daemon', async t => {
    const peer = await Peer.start(t);
    peer.greet = () => 'HTTP/1.1 403 Forbidden\r\nContent-Length: 12\r\nConnection: close\r\n\r\n--allow-host';
    await assert.rejects(connect({url: peer.url}), {status: 403, message: /--allow-host/});
});

test('a server that is no swanbridge daemon is told as such', async t => {
    const peer = await Peer.start(t);
    const {greet} = peer;
    peer.greet = request => String(greet(request)).replace(/Sec-WebSocket-Protocol: .*\r\n/, '');
    await assert.rejects(connect({url: peer.url}), /does not speak swanbridge\.v1/);
});

test('a session that the daemon does not open rejects with its error', async t => {
    const peer = await Peer.start(t);
    const connecting = connect({url: peer.url, packageRoot: '/etc'});
    const line = await peer.accept();
    line.polite = true;
    line.refuse(await line.call(), -32602, 'packageRoot must lie in a --package-dir');
    await assert.rejects(connecting, {errCode: -32602, errMsg: 'packageRoot must lie in a --package-dir'});
    await line.ended;
});

test('install makes swan a global until it is closed', async t => {
    const {swan, line} = await program(t, {install: true});
    assert.equal(/** @type {any} */ (globalThis).swan, swan);
    const closing = swan.close();
    await line.expect('session.close');
    await closing;
    assert.equal('swan' in globalThis, false);
});

test('close ends the session, then the socket, and rejects what waits', async t => {
    const {swan, line} = await program(t);
    const waiting = swan.call('clock.now');
    const refused = assert.rejects(waiting, ConnectionLost);
    const closing = swan.close();
    assert.equal((await line.call()).method, 'clock.now');
    await line.expect('session.close');
    await closing;
    await refused;
    await line.ended;
    assert.equal(swan.session.connected, false);
    await assert.rejects(swan.call('clock.now'), ConnectionLost);
});

test('calls are answered in any order, each its own', async t => {
    const {swan, line} = await program(t);
    const first = swan.call('first', {a: 1});
    const second = swan.call('second');
    const [one, two] = [await line.call(), await line.call()];
    assert.deepEqual([one.params, two.params, one.jsonrpc], [{a: 1}, {}, '2.0']);
    line.send([{jsonrpc: '2.0', id: two.id, result: 2}, {jsonrpc: '2.0', id: one.id, result: 1}]);
    assert.deepEqual(await Promise.all([first, second]), [1, 2]);
});

test('an error of the daemon keeps its code, its name and its detail', async t => {
    const {swan, line} = await program(t);
    const call = swan.call('clock.advance', {seconds: 1});
    const request = await line.call();
    line.send({jsonrpc: '2.0', id: request.id, error: {code: -32005, message: 'm', data: {name: 'illegalState', errMsg: 'the clock is real', detail: {mode: 'real'}}}});
    await assert.rejects(call, {name: 'illegalState', errCode: -32005, errMsg: 'the clock is real', detail: {mode: 'real'}});
});

test('params that are no JSON, or too much of it, are refused here', async t => {
    const {swan, line} = await program(t);
    const circle = {};
    Object.assign(circle, {circle});
    await assert.rejects(swan.call('x', circle), TypeError);
    await assert.rejects(swan.call('x', /** @type {any} */ (5)), TypeError);
    await assert.rejects(swan.call('x', {src: 'x'.repeat(8_000_000)}), {errCode: 202});
    assert.equal(line.unread, 0);
});

test('control calls take their arguments in order or as one object', async t => {
    const {swan, line} = await program(t);
    const {clock, speaker, file, journal, session, device} = swan.control;
    void Promise.allSettled([
        clock.now(), clock.advance(2), clock.advance({seconds: 3}), clock.run_until('innerAudioContext.onEnded', 60),
        speaker.capture.start(), speaker.capture.start('all'), speaker.capture.find('c1', '/t.wav'), file.url('bdfile://x'),
        journal.read({fromSeq: 5}), session.list(), session.snapshot(), device.select('speaker', 'd'),
    ]);
    /** @type {[string, object][]} */
    const sent = [];
    while (sent.length < 12) {
        const request = await line.call();
        sent.push([request.method, request.params]);
    }
    assert.deepEqual(sent, [
        ['clock.now', {}], ['clock.advance', {seconds: 2}], ['clock.advance', {seconds: 3}],
        ['clock.run_until', {event: 'innerAudioContext.onEnded', limit: 60}],
        ['speaker.capture.start', {}], ['speaker.capture.start', {sessionId: 'all'}],
        ['speaker.capture.find', {captureId: 'c1', filePath: '/t.wav'}], ['file.url', {filePath: 'bdfile://x'}],
        ['journal.read', {fromSeq: 5}], ['session.list', {}], ['session.snapshot', {}],
        ['device.select', {kind: 'speaker', deviceId: 'd'}],
    ]);
});

test('raw events are heard until their listener is taken away, before the answer behind them', async t => {
    const {swan, line} = await program(t);
    /** @type {unknown[]} */
    const heard = [];
    const stop = swan.on('panel.onPlay', params => heard.push(params['seq']));
    const call = swan.control.clock.advance(1).then(() => heard.push('answer'));
    line.send([{jsonrpc: '2.0', method: 'panel.onPlay', params: {seq: 1}}, {jsonrpc: '2.0', method: 'panel.onPlay', params: {seq: 2}}]);
    await line.expect('clock.advance', {now: 1});
    await call;
    stop();
    line.tell('panel.onPlay', {seq: 3});
    await settled(swan, line);
    assert.deepEqual(heard, [1, 2, 'answer']);
});

test('a lost socket comes back with resume, and repeated events are heard once', async t => {
    const {peer, swan, line} = await program(t);
    /** @type {unknown[]} */
    const heard = [];
    swan.on('x.onTick', ({seq}) => heard.push(seq));
    line.tell('x.onTick', {seq: 1});
    line.tell('x.onTick', {seq: 2});
    await settled(swan, line);
    line.cut();
    const again = await peer.accept();
    // The replay may come before the answer, and begin before what was heard.
    const request = await again.call();
    assert.deepEqual(request.params.resume, {sessionId: 's1', epoch: 'e1', lastSeq: 2});
    again.tell('x.onTick', {seq: 2});
    again.tell('x.onTick', {seq: 3});
    again.answer(request, {sessionId: 's1', epoch: 'e1', protocol: 1, server: {}, clock: {}, resumed: true, truncated: false});
    again.tell('x.onTick', {seq: 4});
    await settled(swan, again);
    assert.deepEqual(heard, [1, 2, 3, 4]);
    assert.equal(swan.session.lastSeq, 4);
});

test('a call under way at the loss rejects, and one made meanwhile waits', async t => {
    const {peer, swan, line} = await program(t);
    const underWay = swan.call('clock.now');
    await line.call();
    line.cut();
    await assert.rejects(underWay, ConnectionLost);
    assert.equal(swan.session.connected, false);
    const meanwhile = swan.call('clock.now');
    const {line: again} = await peer.welcomeSession({resumed: true});
    await again.expect('clock.now', {mode: 'virtual', now: 7});
    assert.deepEqual(await meanwhile, {mode: 'virtual', now: 7});
});

test('calls of a context that were under way are sent once more, before the later ones', async t => {
    const {peer, swan, line} = await program(t);
    const audio = swan.createInnerAudioContext();
    audio.src = '/t.mp3';
    audio.play();
    await line.expect('innerAudioContext.create');
    await line.call();
    await line.call();
    const lost = assert.rejects(swan.call('clock.now'), ConnectionLost);
    await line.call();
    line.cut();
    await lost;
    audio.pause();
    const {line: again} = await peer.welcomeSession({resumed: true});
    const methods = [(await again.call()).method, (await again.call()).method, (await again.call()).method];
    assert.deepEqual(methods.map(method => method.split('.')[1]), ['set', 'play', 'pause']);
    again.cut();
    const {line: third} = await peer.welcomeSession({resumed: true});
    await third.expect('innerAudioContext.pause'); // it alone was sent only once so far
});

test('at most 1,000 calls wait', async t => {
    const {peer, swan, line} = await program(t);
    const lost = assert.rejects(swan.call('clock.now'), ConnectionLost);
    line.cut();
    await lost;
    const waiting = Array.from({length: 1000}, () => swan.call('clock.now'));
    await assert.rejects(swan.call('clock.now'), /1000 calls wait/);
    const {line: again} = await peer.welcomeSession({resumed: true});
    for (let index = 0; index < 1000; index++) await again.expect('clock.now', index);
    assert.equal((await Promise.all(waiting)).at(-1), 999);
});

test('a daemon out of reach for two minutes fails the calls that wait, and the next ones at once', async t => {
    t.mock.timers.enable({apis: ['setTimeout']});
    const {swan, line, peer} = await program(t);
    const lost = assert.rejects(swan.call('clock.now'), ConnectionLost);
    peer.stop();
    line.cut();
    await lost;
    const waiting = swan.call('clock.now');
    t.mock.timers.tick(120_000);
    await assert.rejects(waiting, ConnectionLost);
    await assert.rejects(swan.call('clock.now'), /out of reach/);
});

test('without reconnect a loss is the end, and contexts are told', async t => {
    const {swan, line} = await program(t, {reconnect: false});
    const audio = swan.createInnerAudioContext();
    await line.expect('innerAudioContext.create');
    const error = new Promise(resolve => audio.onError(resolve));
    line.cut();
    assert.equal(/** @type {any} */ (await error).errCode, 10001);
    await assert.rejects(swan.call('clock.now'), ConnectionLost);
});

for (const [code, meaning] of [[1000, 'a wanted end'], [1008, 'a breach of rules'], [4001, 'another socket has the session']]) {
    test(`close code ${code}, ${meaning}, is the end`, async t => {
        const {swan, line} = await program(t);
        const waiting = assert.rejects(swan.call('clock.now'), ConnectionLost);
        line.close(Number(code));
        await waiting;
        await assert.rejects(swan.call('clock.now'), /closed/);
    });
}

test('close code 1013 is resumed at once', async t => {
    t.mock.timers.enable({apis: ['setTimeout']});
    const {peer, swan, line} = await program(t);
    const lost = assert.rejects(swan.call('clock.now'), ConnectionLost);
    line.close(1013, 'too far behind; resume');
    await lost;
    t.mock.timers.tick(0);
    const {params} = await peer.welcomeSession({resumed: true});
    assert.equal(params.resume.sessionId, 's1');
});

test('a daemon that was started anew: contexts hear an error, are made again and can play', async t => {
    const {peer, swan, line} = await program(t);
    const audio = swan.createInnerAudioContext();
    const gone = swan.createInnerAudioContext();
    audio.src = '/t.mp3';
    audio.volume = 0.5;
    gone.destroy();
    for (const method of ['create', 'create', 'set', 'destroy']) await line.expect(`innerAudioContext.${method}`);
    line.tell('innerAudioContext.onPlay', {seq: 9, skipped: 8, contextId: 'a1', duration: 10});
    await settled(swan, line);
    assert.deepEqual([audio.paused, audio.duration], [false, 10]);
    /** @type {any[]} */
    const heard = [];
    audio.onError(event => {
        heard.push(event);
        audio.play();
    });
    gone.onError(() => assert.fail('a destroyed context was told'));
    line.cut();
    const {line: again} = await peer.welcomeSession({sessionId: 's1', epoch: 'e2', resumed: false, truncated: true});
    assert.deepEqual(await again.expect('innerAudioContext.create'), {contextId: 'a1'});
    assert.deepEqual(await again.expect('innerAudioContext.set'), {contextId: 'a1', src: '/t.mp3', volume: 0.5});
    await again.expect('innerAudioContext.play');
    assert.deepEqual([audio.paused, audio.duration, heard.length, heard[0].errCode], [true, 0, 1, 10001]);
    // Numbers of events begin anew, those of contexts do not.
    again.tell('innerAudioContext.onPlay', {seq: 1, contextId: 'a1'});
    await settled(swan, again);
    assert.equal(audio.paused, false);
    swan.createInnerAudioContext();
    assert.deepEqual(await again.expect('innerAudioContext.create'), {contextId: 'a3'});
});

test('a context made while the socket was lost is made once, and hears no error', async t => {
    const {peer, swan, line} = await program(t);
    const lost = assert.rejects(swan.call('clock.now'), ConnectionLost);
    line.cut();
    await lost;
    const audio = swan.createInnerAudioContext();
    audio.onError(() => assert.fail('an error came'));
    audio.src = '/t.mp3';
    audio.play();
    const {line: again} = await peer.welcomeSession({epoch: 'e2', truncated: true});
    for (const method of ['create', 'set', 'play']) await again.expect(`innerAudioContext.${method}`);
    await settled(swan, again);
});

test('a truncated resume takes the mirrors from a snapshot', async t => {
    const {peer, swan, line} = await program(t);
    const audio = swan.createInnerAudioContext();
    await line.expect('innerAudioContext.create');
    await settled(swan, line);
    line.cut();
    const {line: again} = await peer.welcomeSession({resumed: true, truncated: true});
    const state = {contextId: 'a1', paused: false, currentTime: 3.5, duration: 10, buffered: 10};
    await again.expect('session.snapshot', {seq: 5000, objects: {innerAudioContext: {a1: state}}});
    await settled(swan, again);
    assert.deepEqual([audio.paused, audio.currentTime, audio.duration], [false, 3.5, 10]);
});

test('a gap that skipped accounts for is none; another one is filled from a snapshot', async t => {
    const {swan, line} = await program(t);
    line.tell('x.onTick', {seq: 1});
    line.tell('x.onTick', {seq: 5, skipped: 3});
    await settled(swan, line);
    line.tell('x.onTick', {seq: 7});
    await line.expect('session.snapshot', {objects: {}});
    await settled(swan, line);
});

test('a daemon that answers nonsense is left, and found again', async t => {
    const told = t.mock.method(console, 'error', () => {});
    const {peer, swan, line} = await program(t);
    line.send('no object');
    const {line: again, params} = await peer.welcomeSession({resumed: true});
    assert.equal(params.resume.sessionId, 's1');
    await settled(swan, again);
    assert.match(String(told.mock.calls[0]?.arguments[0]), /cannot be read/);
});

test('a daemon that is stopping is asked again until it is back', async t => {
    const {peer, swan, line} = await program(t);
    line.close(1001, 'the daemon is stopping');
    const second = await peer.accept();
    second.refuse(await second.call(), -32004, 'the daemon is stopping');
    const {line: third} = await peer.welcomeSession({resumed: true});
    await settled(swan, third);
});

test('a token that is refused on the way back is the end', async t => {
    const {peer, swan, line} = await program(t);
    peer.greet = () => 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
    const lost = assert.rejects(swan.call('clock.now'), ConnectionLost);
    line.cut();
    await lost;
    await assert.rejects(swan.call('clock.now'), {status: 401});
});
