/**
 * The client against a real daemon on virtual devices and the virtual clock; `tests/clients/test_js_client.py` starts it.
 *
 * SWANBRIDGE_URL, SWANBRIDGE_TOKEN: the daemon. SWANBRIDGE_TEST_ROOT: a package directory of it.
 * SWANBRIDGE_TEST_CLIP: the package path of a WAV in there, SWANBRIDGE_TEST_DURATION: its seconds.
 */
import assert from 'node:assert/strict';
import net from 'node:net';
import test from 'node:test';

import {connect} from '../src/index.js';

const {SWANBRIDGE_URL: url = '', SWANBRIDGE_TOKEN: token, SWANBRIDGE_TEST_ROOT: packageRoot, SWANBRIDGE_TEST_CLIP: clip = ''} = process.env;
const length = Number(process.env['SWANBRIDGE_TEST_DURATION']);
const skip = url ? false : 'no daemon: SWANBRIDGE_URL is not set';

/** @param {import('node:test').TestContext} t @param {string} appId */
async function program(t, appId) {
    const swan = await connect({url, appId, ...(token ? {token} : {}), ...(packageRoot ? {packageRoot} : {})});
    t.after(() => swan.close());
    return swan;
}

test('a clip is opened, plays, ticks and ends, in that order, and was heard', {skip}, async t => {
    const swan = await program(t, 'js-plays');
    const {captureId} = await swan.control.speaker.capture.start();
    const audio = swan.createInnerAudioContext();
    /** @type {string[]} */
    const heard = [];
    /** @type {number[]} */
    const positions = [];
    audio.onCanplay(() => heard.push('canplay'));
    audio.onPlay(() => heard.push('play'));
    audio.onTimeUpdate(({currentTime, data}) => {
        if (heard.at(-1) !== 'timeupdate') heard.push('timeupdate');
        positions.push(currentTime);
        assert.equal(data.duration, audio.duration);
        assert.equal(audio.currentTime, currentTime);
    });
    audio.onEnded(() => heard.push('ended'));
    audio.onError(({errCode, errMsg}) => assert.fail(`${errCode} ${errMsg}`));
    audio.src = clip;
    audio.play();
    const {event} = await swan.control.clock.run_until('innerAudioContext.onEnded', length + 5);
    assert.ok(event, 'it did not end');
    assert.deepEqual(heard, ['canplay', 'play', 'timeupdate', 'ended']);
    assert.ok(Math.abs(audio.duration - length) < 0.001, `duration is ${audio.duration}`);
    assert.equal(audio.paused, true);
    assert.ok(positions.length >= Math.floor(length / 0.25) - 1, `${positions.length} time updates`);
    assert.deepEqual(positions, [...positions].sort((a, b) => a - b));
    const {segments} = await swan.control.speaker.capture.describe(captureId);
    const sound = segments.filter(({kind}) => kind === 'sound');
    assert.equal(sound.length, 1);
    const {start, end} = /** @type {{start: number, end: number}} */ (sound[0]);
    assert.ok(Math.abs(end - start - length) < 0.1, `${start} to ${end}`);
    await swan.control.speaker.capture.stop(captureId);
});

test('a missing file is an error with a number, and the context can play another', {skip}, async t => {
    const swan = await program(t, 'js-fails');
    const audio = swan.createInnerAudioContext();
    /** @type {[number, string][]} */
    const errors = [];
    audio.onError(({errCode, errMsg}) => errors.push([errCode, errMsg]));
    audio.src = '/there/is/none.mp3';
    await swan.control.clock.advance(0.1);
    assert.deepEqual(errors.map(([errCode]) => errCode), [10003]);
    audio.src = clip;
    audio.play();
    await swan.control.clock.advance(0.5);
    assert.equal(audio.paused, false);
});

test('pause, seek and stop are mirrored', {skip}, async t => {
    const swan = await program(t, 'js-seeks');
    const audio = swan.createInnerAudioContext();
    /** @type {string[]} */
    const heard = [];
    for (const name of /** @type {const} */ (['onPlay', 'onPause', 'onStop', 'onSeeking', 'onSeeked'])) audio[name](() => heard.push(name));
    audio.src = clip;
    audio.play();
    await swan.control.clock.advance(0.3);
    audio.pause();
    await swan.control.clock.advance(0.1);
    assert.ok(Math.abs(audio.currentTime - 0.3) < 0.05, `paused at ${audio.currentTime}`);
    audio.seek({position: 0.7});
    await swan.control.clock.advance(0.1);
    assert.equal(audio.currentTime, 0.7);
    audio.stop();
    await swan.control.clock.advance(0.1);
    assert.deepEqual([audio.currentTime, audio.paused], [0, true]);
    assert.deepEqual(heard, ['onPlay', 'onPause', 'onSeeking', 'onSeeked', 'onStop']);
});

test('destroying what plays is heard as one stop', {skip}, async t => {
    const swan = await program(t, 'js-destroys');
    const audio = swan.createInnerAudioContext();
    /** @type {string[]} */
    const heard = [];
    audio.onStop(() => heard.push('stop'));
    audio.onTimeUpdate(() => heard.includes('stop') && assert.fail('a tick after the end'));
    audio.src = clip;
    audio.play();
    await swan.control.clock.advance(0.3);
    audio.destroy();
    await swan.control.clock.advance(1);
    assert.deepEqual(heard, ['stop']);
});

test('setInnerAudioOption answers', {skip}, async t => {
    const swan = await program(t, 'js-options');
    const {errMsg} = await swan.setInnerAudioOption({mixWithOther: true});
    assert.equal(typeof errMsg, 'string');
});

test('a wrong token is refused with words', {skip}, async () => {
    await assert.rejects(connect({url, token: 'wrong'}), {name: 'ConnectionLost', message: /token/});
});

test('what happened while the line was cut is heard after the resume, each once and in order', {skip}, async t => {
    /** @type {Set<net.Socket>} */
    const sockets = new Set();
    const {port, hostname} = new URL(url);
    const proxy = net.createServer(near => {
        const far = net.connect(Number(port), hostname);
        for (const socket of [near, far]) {
            sockets.add(socket);
            socket.on('error', () => {});
        }
        near.pipe(far).pipe(near);
    });
    await /** @type {Promise<void>} */ (new Promise(resolve => proxy.listen(0, '127.0.0.1', resolve)));
    const cut = () => sockets.forEach(socket => socket.destroy());
    t.after(() => {
        proxy.close();
        cut();
    });
    const person = await program(t, 'js-person');
    const direct = new URL(url);
    direct.port = String(/** @type {import('node:net').AddressInfo} */ (proxy.address()).port);
    const swan = await connect({url: direct, ...(token ? {token} : {}), ...(packageRoot ? {packageRoot} : {})});
    t.after(() => swan.close());
    const audio = swan.createInnerAudioContext();
    /** @type {number[]} */
    const numbers = [];
    swan.on('innerAudioContext.onTimeUpdate', ({seq}) => numbers.push(Number(seq)));
    const ended = new Promise(resolve => audio.onEnded(resolve));
    audio.src = clip;
    audio.play();
    await swan.control.clock.advance(0.6);
    const before = swan.session.lastSeq;
    const {sessionId} = swan.session;
    const lost = assert.rejects(swan.call('clock.run_until', {event: 'never', limit: 0}), {name: 'ConnectionLost'});
    cut();
    await lost;
    await person.control.clock.advance(length);
    await ended;
    assert.equal(swan.session.sessionId, sessionId);
    assert.ok(swan.session.lastSeq > before);
    assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b));
    assert.ok(numbers.length >= Math.floor(length / 0.25) - 1, `${numbers.length} time updates`);
    const {entries} = await swan.control.journal.read();
    assert.deepEqual(entries.filter(({method}) => method.endsWith('.onTimeUpdate')).map(({params}) => params.seq), numbers);
});
