/** The client in Chromium, as the daemon serves it. Environment as in daemon.test.js, and SWANBRIDGE_TEST_CHROMIUM. */
import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';

import {chromium} from 'playwright-core';

const {
    SWANBRIDGE_URL: url = '', SWANBRIDGE_TOKEN: token = '', SWANBRIDGE_TEST_ROOT: packageRoot = '',
    SWANBRIDGE_TEST_CLIP: clip = '', SWANBRIDGE_TEST_CHROMIUM: executablePath = '',
} = process.env;
const skip = url && executablePath ? false : 'no daemon or no browser: SWANBRIDGE_URL or SWANBRIDGE_TEST_CHROMIUM is not set';
const origin = url && new URL(url).origin;

const FLAGS = [
    '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run',
];

/** @param {import('node:test').TestContext} t @param {string} address */
async function pageAt(t, address) {
    // launch() gives every browser a user-data-dir of its own and takes it away again.
    const browser = await chromium.launch({executablePath, args: FLAGS});
    t.after(() => browser.close());
    const page = await browser.newPage();
    await page.goto(address);
    return page;
}

test('a page of the daemon plays a clip to its end', {skip}, async t => {
    const page = await pageAt(t, `${origin}/health`);
    const heard = await page.evaluate(async given => {
        /** @type {typeof import('../src/public.js')} */
        const {connect} = await import(`${given.origin}/client/index.js`);
        const swan = await connect({token: given.token, packageRoot: given.packageRoot, appId: 'js-browser', install: true});
        const audio = /** @type {import('../src/public.js').Swan} */ (/** @type {any} */ (globalThis).swan).createInnerAudioContext();
        /** @type {string[]} */
        const names = [];
        for (const name of /** @type {const} */ (['onCanplay', 'onPlay', 'onTimeUpdate', 'onEnded', 'onError'])) {
            audio[name](() => void (names.at(-1) === name || names.push(name)));
        }
        audio.src = given.clip;
        audio.play();
        await swan.control.clock.run_until('innerAudioContext.onEnded', 60);
        await swan.close();
        return names;
    }, {origin, token, packageRoot, clip});
    assert.deepEqual(heard, ['onCanplay', 'onPlay', 'onTimeUpdate', 'onEnded']);
});

test('a page of another origin may load the client, and is told what to allow', {skip}, async t => {
    const server = http.createServer((_request, response) => response.setHeader('Content-Type', 'text/html').end('<p>elsewhere'));
    await /** @type {Promise<void>} */ (new Promise(resolve => server.listen(0, '127.0.0.1', resolve)));
    t.after(() => server.close());
    const {port} = /** @type {import('node:net').AddressInfo} */ (server.address());
    const page = await pageAt(t, `http://127.0.0.1:${port}/`);
    const said = await page.evaluate(async given => {
        /** @type {typeof import('../src/public.js')} */
        const {connect} = await import(`${given.origin}/client/index.js`);
        return connect({url: given.url}).then(() => 'connected', (/** @type {Error} */ error) => error.message);
    }, {origin, url});
    assert.match(said, /--allow-origin/);
    assert.doesNotMatch(said, /token=/);
});
