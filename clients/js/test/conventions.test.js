import assert from 'node:assert/strict';
import test from 'node:test';

import {swanFunction} from '../src/conventions.js';
import {SwanError} from '../src/errors.js';

/** A descriptor with a parameter of each kind. @type {import('../src/conventions.js').Descriptor} */
const CHOOSE = {
    name: 'chooseThing',
    parameters: {
        src: {type: 'string', required: true},
        count: {type: 'string', initial: 9},
        kinds: {type: 'string[]', initial: ['a', 'b']},
        images: {type: 'object[]'},
        compressed: {type: 'boolean'},
        header: {type: 'object'},
    },
};

/**
 * A function of the descriptor, with what it sent.
 *
 * @param {(params: any) => unknown} [answer]
 * @param {Partial<import('../src/conventions.js').Descriptor>} [more]
 */
function make(answer = () => ({ok: 1}), more = {}) {
    /** @type {[string, object][]} */
    const sent = [];
    const session = {
        call: async (/** @type {string} */ method, /** @type {object} */ params) => {
            sent.push([method, params]);
            return answer(params);
        },
    };
    return {sent, choose: swanFunction(session, {...CHOOSE, ...more})};
}

/** @returns {never} */
function denied() {
    throw new SwanError(10003, 'user deny');
}

/** What a call tells its callbacks, until complete. @param {Function} choose @param {object} options */
function outcome(choose, options) {
    return new Promise(resolve => {
        /** @type {[string, any][]} */
        const heard = [];
        const returned = choose({
            ...options,
            success: (/** @type {any} */ result) => heard.push(['success', result]),
            fail: (/** @type {any} */ error) => heard.push(['fail', error]),
            complete: (/** @type {any} */ either) => {
                heard.push(['complete', either]);
                resolve(heard);
            },
        });
        assert.equal(returned, undefined);
        heard.push(['returned', undefined]);
    });
}

test('success comes after the call returned, then complete with the same object', async () => {
    const {choose} = make();
    const heard = await outcome(choose, {src: 'x'});
    assert.deepEqual(heard.map((/** @type {any[]} */ [name]) => name), ['returned', 'success', 'complete']);
    assert.deepEqual(heard[1][1], {ok: 1});
    assert.equal(heard[1][1], heard[2][1]);
});

test('fail gets exactly errCode and errMsg, and complete the same object', async () => {
    const {choose} = make(denied);
    const heard = await outcome(choose, {src: 'x'});
    assert.deepEqual(heard.map((/** @type {any[]} */ [name]) => name), ['returned', 'fail', 'complete']);
    assert.deepEqual(heard[1][1], {errCode: 10003, errMsg: 'user deny'});
    assert.equal(heard[1][1], heard[2][1]);
});

test('an exception in success is logged, complete still comes, fail does not', async t => {
    const log = t.mock.method(console, 'error', () => {});
    const {choose} = make();
    const mistake = new Error('mine');
    await new Promise(resolve => {
        choose({
            src: 'x',
            success: () => {
                throw mistake;
            },
            fail: () => assert.fail('fail was called'),
            complete: resolve,
        });
    });
    assert.deepEqual(log.mock.calls.map(call => call.arguments), [['thirdScriptError', mistake]]);
});

test('without callbacks there is a promise of the result', async () => {
    assert.deepEqual(await make().choose({src: 'x', success: undefined}), {ok: 1});
});

test('without callbacks a failure is a rejection with an Error', async () => {
    await assert.rejects(make(denied).choose({src: 'x'}), error => {
        assert.ok(error instanceof SwanError);
        assert.deepEqual([error.errCode, error.errMsg, error.message], [10003, 'user deny', 'user deny']);
        return true;
    });
});

/** @type {[string, object, string][]} */
const REFUSED = [
    ['a missing argument', {}, '[jsNative Argument Error]src is required.'],
    ['null', {src: null}, '[jsNative Argument Error]src is required.'],
    ['NaN', {src: NaN}, '[jsNative Argument Error]src is required.'],
    ['a boolean for a string', {src: true}, '[jsNative Argument Error]src type error. must be "string"'],
    ['an object for a number', {src: 'x', count: {}}, '[jsNative Argument Error]count type error. must be "string"'],
    ['a string for a boolean', {src: 'x', compressed: 'true'}, '[jsNative Argument Error]compressed type error. must be "boolean"'],
    ['a string for an array', {src: 'x', kinds: 'a'}, '[jsNative Argument Error]kinds type error. must be "Array"'],
    ['an array for an object', {src: 'x', header: []}, '[jsNative Argument Error]header type error. must be "object"'],
    ['an item of the wrong type', {src: 'x', kinds: ['a', true]}, '[jsNative Argument Error]kinds type error, must be arrayOf "string"'],
    ['a string among objects', {src: 'x', images: [{}, 'u']}, '[jsNative Argument Error]images type error, must be arrayOf "object"'],
];
for (const [what, options, errMsg] of REFUSED) {
    test(`${what} is 904 in Baidu's words, later, and the daemon is not asked`, async () => {
        const {choose, sent} = make();
        const heard = await outcome(choose, options);
        assert.deepEqual(heard, [['returned', undefined], ['fail', {errCode: 904, errMsg}], ['complete', {errCode: 904, errMsg}]]);
        await assert.rejects(choose(options), {errCode: 904, errMsg});
        assert.deepEqual(sent, []);
    });
}

test('numbers pass for strings, and the program may add what the table does not know', async () => {
    const {choose, sent} = make();
    await choose({src: 100, count: '3', kinds: [1], extra: 'kept'});
    assert.deepEqual(sent, [['chooseThing', {src: 100, count: '3', kinds: [1], extra: 'kept'}]]);
});

test('absent parameters get what stands for them; infinities are absent', async () => {
    const {choose, sent} = make();
    await choose({src: 'x', count: Infinity, compressed: null});
    assert.deepEqual(sent, [['chooseThing', {src: 'x', count: 9, kinds: ['a', 'b']}]]);
});

for (const callback of ['success', 'fail']) {
    test(`a ${callback} that is no function is 904 params type error`, async () => {
        const {choose, sent} = make();
        const error = await new Promise(resolve => {
            assert.equal(choose({src: 'x', [callback]: 'x', complete: resolve}), undefined);
        });
        assert.deepEqual(error, {errCode: 904, errMsg: 'params type error'});
        assert.deepEqual(sent, []);
    });
}

test('a complete that is no function is not checked', async () => {
    const {choose} = make();
    const result = await new Promise(success => {
        choose({src: 'x', success, complete: 5});
    });
    assert.deepEqual(result, {ok: 1});
});

test('a refusal that nobody asked to hear is on the console', t => {
    const log = t.mock.method(console, 'error', () => {});
    const {choose} = make(undefined, {specialCheck: () => 'no urls'});
    choose({success: () => assert.fail('success was called')});
    assert.equal(log.mock.calls[0]?.arguments[0], 'swanbridge: chooseThing: no urls');
});

test('a special check calls fail and complete before the function returns', async () => {
    const {choose} = make(undefined, {specialCheck: options => (options.src ? undefined : 'src is required and must be "string"')});
    const heard = await outcome(choose, {});
    assert.deepEqual(heard.map((/** @type {any[]} */ [name]) => name), ['fail', 'complete', 'returned']);
    await assert.rejects(choose({}), {errCode: 904, errMsg: 'src is required and must be "string"'});
});

test('no options at all are empty options', async () => {
    const {choose, sent} = make(undefined, {parameters: {}});
    await choose();
    await choose('nonsense');
    assert.deepEqual(sent, [['chooseThing', {}], ['chooseThing', {}]]);
});
