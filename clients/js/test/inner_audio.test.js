import assert from 'node:assert/strict';
import test from 'node:test';

import {connect} from '../src/index.js';
import {Peer} from './peer.js';

/** @param {import('node:test').TestContext} t */
async function program(t) {
    const peer = await Peer.start(t);
    const connecting = connect({url: peer.url});
    const {line} = await peer.welcomeSession();
    const swan = await connecting;
    t.after(() => {
        line.cut();
        return swan.close();
    });
    let seq = 0;
    /** Tell an event and wait until the client has taken it. @param {string} name @param {object} [params] */
    const tell = async (name, params = {}) => {
        line.tell(`innerAudioContext.${name}`, {seq: ++seq, at: seq / 4, contextId: 'a1', ...params});
        const taken = swan.call('rpc.discover');
        line.answer(await line.call(), {});
        await taken;
    };
    /** The next calls, each answered with {}. @param {number} count @returns {Promise<[string, object][]>} */
    const calls = async count => {
        /** @type {[string, object][]} */
        const found = [];
        while (found.length < count) {
            const request = await line.call();
            line.answer(request, {});
            found.push([request.method.replace('innerAudioContext.', ''), request.params]);
        }
        return found;
    };
    return {swan, line, tell, calls};
}

/** What goes to the console instead of the test's output. @param {import('node:test').TestContext} t */
function complaints(t) {
    const log = t.mock.method(console, 'error', () => {});
    return () => log.mock.calls.map(call => String(call.arguments[0]));
}

test('a context is made at once, under ids of its own', async t => {
    const {swan, calls} = await program(t);
    const first = swan.createInnerAudioContext();
    const second = swan.createInnerAudioContext();
    assert.notEqual(first, second);
    assert.deepEqual(await calls(2), [['create', {contextId: 'a1'}], ['create', {contextId: 'a2'}]]);
});

test('a new context has the defaults of the documents', async t => {
    const {swan} = await program(t);
    const {src, startTime, autoplay, loop, obeyMuteSwitch, volume, playbackRate, duration, currentTime, paused, buffered} = swan.createInnerAudioContext();
    assert.deepEqual(
        {src, startTime, autoplay, loop, obeyMuteSwitch, volume, playbackRate, duration, currentTime, paused, buffered},
        {src: '', startTime: 0, autoplay: false, loop: false, obeyMuteSwitch: true, volume: 1, playbackRate: 1, duration: 0, currentTime: 0, paused: true, buffered: 0},
    );
});

test('properties read back at once and go out in one call', async t => {
    const {swan, calls} = await program(t);
    const audio = swan.createInnerAudioContext();
    audio.src = '/t.mp3';
    audio.autoplay = true;
    audio.volume = 0.2;
    audio.volume = 0.5;
    assert.deepEqual([audio.src, audio.autoplay, audio.volume], ['/t.mp3', true, 0.5]);
    assert.deepEqual((await calls(2))[1], ['set', {contextId: 'a1', src: '/t.mp3', autoplay: true, volume: 0.5}]);
});

test('what is written before a call goes out before it, and what is written after, after', async t => {
    const {swan, calls} = await program(t);
    const audio = swan.createInnerAudioContext();
    audio.src = '/t.mp3';
    audio.play();
    audio.volume = 0.5;
    audio.seek({position: 3});
    audio.seek(4);
    audio.pause();
    audio.loop = true;
    swan.control.clock.advance(2.5);
    assert.deepEqual(await calls(9), [
        ['create', {contextId: 'a1'}],
        ['set', {contextId: 'a1', src: '/t.mp3'}],
        ['play', {contextId: 'a1'}],
        ['set', {contextId: 'a1', volume: 0.5}],
        ['seek', {contextId: 'a1', position: 3}],
        ['seek', {contextId: 'a1', position: 4}],
        ['pause', {contextId: 'a1'}],
        ['set', {contextId: 'a1', loop: true}],
        ['clock.advance', {seconds: 2.5}],
    ]);
});

test('methods return nothing', async t => {
    const {swan} = await program(t);
    const audio = swan.createInnerAudioContext();
    assert.deepEqual([audio.play(), audio.pause(), audio.seek(1), audio.stop(), audio.destroy()], [undefined, undefined, undefined, undefined, undefined]);
});

test('the same value again is not sent', async t => {
    const {swan, calls} = await program(t);
    const audio = swan.createInnerAudioContext();
    audio.src = '';
    audio.volume = 1;
    audio.play();
    assert.deepEqual((await calls(2)).map(([method]) => method), ['create', 'play']);
});

test('unfit values are told on the console and change nothing', async t => {
    const told = complaints(t);
    const {swan, calls} = await program(t);
    const audio = /** @type {any} */ (swan.createInnerAudioContext());
    for (const [name, value] of /** @type {[string, unknown][]} */ ([['src', 5], ['src', null], ['volume', 1.1], ['volume', -0.1], ['volume', NaN], ['volume', 'loud'], ['playbackRate', 4], ['startTime', -1], ['startTime', Infinity], ['loop', 'yes']])) {
        const before = audio[name];
        audio[name] = value;
        assert.equal(audio[name], before);
    }
    assert.equal(told().length, 10);
    audio.seek('there');
    audio.seek();
    audio.seek({});
    assert.equal(told().length, 13);
    audio.play();
    assert.deepEqual((await calls(2)).map(([method]) => method), ['create', 'play']);
});

test('a number may be written as text', async t => {
    const {swan, calls} = await program(t);
    const audio = /** @type {any} */ (swan.createInnerAudioContext());
    audio.volume = '0.5';
    audio.seek('7');
    assert.equal(audio.volume, 0.5);
    assert.deepEqual((await calls(3)).slice(1), [['set', {contextId: 'a1', volume: 0.5}], ['seek', {contextId: 'a1', position: 7}]]);
});

test('writing a read-only property does nothing', async t => {
    const {swan} = await program(t);
    const audio = /** @type {any} */ (swan.createInnerAudioContext());
    Object.assign(audio, {duration: 5, currentTime: 5, paused: false, buffered: 5});
    assert.deepEqual([audio.duration, audio.currentTime, audio.paused, audio.buffered], [0, 0, true, 0]);
});

test('paused follows the events, not the calls', async t => {
    const {swan, tell, calls} = await program(t);
    const audio = swan.createInnerAudioContext();
    audio.play();
    await calls(2);
    assert.equal(audio.paused, true);
    for (const [name, paused] of /** @type {const} */ ([
        ['onCanplay', true], ['onPlay', false], ['onWaiting', false], ['onPause', true], ['onPlay', false],
        ['onStop', true], ['onPlay', false], ['onEnded', true], ['onPlay', false], ['onError', true],
    ])) {
        await tell(name);
        assert.equal(audio.paused, paused, `after ${name}`);
    }
    audio.loop = true;
    await calls(1);
    await tell('onPlay');
    await tell('onEnded');
    assert.equal(audio.paused, false);
});

test('position and duration follow the time updates while playing', async t => {
    const {swan, tell, calls} = await program(t);
    const audio = swan.createInnerAudioContext();
    await calls(1);
    await tell('onCanplay', {duration: 10.031, currentTime: 0, paused: true, buffered: 10.031});
    assert.deepEqual([audio.duration, audio.buffered, audio.paused], [10.031, 10.031, true]);
    await tell('onTimeUpdate', {currentTime: 9, duration: 10.031});
    assert.equal(audio.currentTime, 0);
    await tell('onPlay', {duration: 10.031, currentTime: 0, paused: false, buffered: 10.031});
    await tell('onTimeUpdate', {currentTime: 0.25, duration: 10.031});
    assert.equal(audio.currentTime, 0.25);
});

test("listeners get swan's payload at top level, as data, and the type; not the wire's state", async t => {
    const {swan, tell, calls} = await program(t);
    const audio = swan.createInnerAudioContext();
    await calls(1);
    /** @type {unknown[]} */
    const heard = [];
    audio.onPlay(event => heard.push(event));
    audio.onTimeUpdate(event => heard.push(event));
    audio.onError(event => heard.push(event));
    const state = {duration: 10, currentTime: 1, paused: false, buffered: 10};
    await tell('onPlay', state);
    await tell('onTimeUpdate', {currentTime: 1.25, duration: 10});
    await tell('onError', {...state, errCode: 10003, errMsg: 'no such file'});
    assert.deepEqual(heard, [
        {type: 'Play_audioId_1', data: {}},
        {type: 'TimeUpdate_audioId_1', currentTime: 1.25, duration: 10, data: {currentTime: 1.25, duration: 10}},
        {type: 'Error_audioId_1', errCode: 10003, errMsg: 'no such file', data: {errCode: 10003, errMsg: 'no such file'}},
    ]);
});

for (const name of ['Canplay', 'Play', 'Pause', 'Stop', 'Ended', 'TimeUpdate', 'Error', 'Waiting', 'Seeking', 'Seeked']) {
    test(`on${name} adds listeners up, off${name} takes one or all away, and the mirror goes on`, async t => {
        const {swan, tell, calls} = await program(t);
        const audio = /** @type {any} */ (swan.createInnerAudioContext());
        await calls(1);
        /** @type {string[]} */
        const heard = [];
        const first = () => heard.push('first');
        audio[`on${name}`](first);
        audio[`on${name}`](() => heard.push('second'));
        await tell(`on${name}`);
        assert.deepEqual(heard.splice(0), ['first', 'second']);
        audio[`off${name}`](first);
        await tell(`on${name}`);
        assert.deepEqual(heard.splice(0), ['second']);
        audio[`off${name}`]();
        await tell(`on${name}`, {duration: 3});
        await tell('onPlay', {duration: 4});
        assert.deepEqual(heard, []);
        assert.deepEqual([audio.paused, audio.duration], [false, 4]);
    });
}

test('a listener that throws stops neither the next one nor the mirror', async t => {
    const told = complaints(t);
    const {swan, tell, calls} = await program(t);
    const audio = swan.createInnerAudioContext();
    await calls(1);
    let heard = 0;
    audio.onPlay(() => {
        throw new Error('mine');
    });
    audio.onPlay(() => heard++);
    await tell('onPlay');
    assert.deepEqual([heard, audio.paused, told()], [1, false, ['thirdScriptError']]);
});

test('two contexts do not mix events', async t => {
    const {swan, tell, calls} = await program(t);
    const first = swan.createInnerAudioContext();
    const second = swan.createInnerAudioContext();
    await calls(2);
    first.onPlay(() => assert.fail('the wrong one heard it'));
    await tell('onPlay', {contextId: 'a2'});
    assert.deepEqual([first.paused, second.paused], [true, false]);
});

test('destroy lets one last onStop through, then nothing', async t => {
    const {swan, line, tell, calls} = await program(t);
    const audio = swan.createInnerAudioContext();
    await calls(1);
    await tell('onPlay');
    /** @type {string[]} */
    const heard = [];
    audio.onStop(({type}) => heard.push(type));
    audio.onTimeUpdate(({type}) => heard.push(type));
    audio.volume = 0.5;
    audio.destroy();
    audio.destroy();
    audio.volume = 0.7;
    audio.play();
    audio.seek(1);
    const [set, destroy] = [await line.call(), await line.call()];
    assert.deepEqual([set.params.volume, destroy.method], [0.5, 'innerAudioContext.destroy']);
    line.tell('innerAudioContext.onTimeUpdate', {seq: 2, contextId: 'a1', currentTime: 1, duration: 2});
    line.tell('innerAudioContext.onStop', {seq: 3, contextId: 'a1'});
    line.answer(destroy, {});
    line.tell('innerAudioContext.onStop', {seq: 4, contextId: 'a1'});
    await Promise.all([swan.call('rpc.discover'), calls(1)]);
    assert.deepEqual(heard, ['Stop_audioId_1']);
    assert.deepEqual([audio.paused, audio.volume], [true, 0.5]);
    assert.equal(line.unread, 0);
});

test('a refused method is not the program\'s to hear', async t => {
    const {swan, line, tell, calls} = await program(t);
    const audio = swan.createInnerAudioContext();
    await calls(1);
    audio.onError(() => assert.fail('an error came'));
    audio.play();
    line.refuse(await line.call(), 10003, 'play fail: src is not set');
    await tell('onPlay');
    assert.equal(audio.paused, false);
});

test('a context that the daemon does not make is told by onError', async t => {
    const {swan, line} = await program(t);
    const audio = swan.createInnerAudioContext();
    /** @type {Promise<import('../src/public.js').AudioError>} */
    const error = new Promise(resolve => audio.onError(resolve));
    line.refuse(await line.call(), 1001, 'a session has at most 4096 innerAudioContexts');
    const {errCode, errMsg} = await error;
    assert.deepEqual([errCode, errMsg], [10001, 'a session has at most 4096 innerAudioContexts']);
});

test('setInnerAudioOption checks its arguments and hands errMsg on', async t => {
    const {swan, line} = await program(t);
    const bad = /** @type {{}} */ ({mixWithOther: 'yes'});
    await assert.rejects(swan.setInnerAudioOption(bad), {errCode: 904, errMsg: '[jsNative Argument Error]mixWithOther type error. must be "boolean"'});
    const option = swan.setInnerAudioOption({mixWithOther: true});
    assert.deepEqual(await line.expect('setInnerAudioOption', {errMsg: 'setInnerAudioOption:ok'}), {mixWithOther: true});
    assert.deepEqual(await option, {errMsg: 'setInnerAudioOption:ok'});
});
