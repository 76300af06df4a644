/** `import {connect} from 'swanbridge'`: Baidu's swan.* media APIs, served by a swanbridge daemon. */
import {locate} from './address.js';
import {createControl} from './control.js';
import {swanFunction} from './conventions.js';
import {InnerAudioContexts, SET_INNER_AUDIO_OPTION} from './inner_audio.js';
import {Session} from './session.js';

export {ConnectionLost, SwanError} from './errors.js';

/**
 * Connect to a daemon and open a session.
 *
 * @param {import('./public.js').ConnectOptions} [options] see public.d.ts
 * @returns {Promise<import('./public.js').Swan>}
 * @throws {import('./errors.js').SwanError} `ConnectionLost` when nothing answered, or the door stayed shut
 */
export async function connect(options = {}) {
    const address = locate(options.url, options.token);
    const session = new Session(await socketClass(), address, options);
    const contexts = new InnerAudioContexts(session);
    await session.open();
    const scope = /** @type {{swan?: unknown}} */ (globalThis);
    /** @type {import('./public.js').Swan} */
    const swan = {
        createInnerAudioContext: () => contexts.create(),
        setInnerAudioOption: swanFunction(session, SET_INNER_AUDIO_OPTION),
        session: stateOf(session),
        control: createControl(session),
        call: (method, params) => session.call(method, params),
        on: (event, listener) => session.on(event, listener),
        close: () => {
            if (scope.swan === swan) delete scope.swan;
            return session.close();
        },
    };
    if (options.install) scope.swan = swan;
    return swan;
}

/**
 * The part of a session that programs see; it stays true over a resume.
 *
 * @param {Session} session
 * @returns {import('./public.js').SessionState}
 */
function stateOf(session) {
    return {
        get sessionId() { return session.sessionId; },
        get epoch() { return session.epoch; },
        get protocol() { return session.protocol; },
        get server() { return session.server; },
        get clock() { return session.clock; },
        get lastSeq() { return session.lastSeq; },
        get connected() { return session.connected; },
    };
}

/** @returns {Promise<import('./link.js').SocketClass>} */
async function socketClass() {
    const {process, document, WebSocket} = /** @type {any} */ (globalThis);
    const inNode = process?.versions?.node && !process.versions.bun && !document && !('Deno' in globalThis);
    // Also where Node has a WebSocket: that one hides why the daemon refused the connection.
    if (!inNode) return WebSocket;
    const {NodeSocket} = await import('./node_socket.js');
    return NodeSocket;
}
