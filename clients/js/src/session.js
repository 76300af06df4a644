/** A session on the daemon, which outlives the sockets that carry it. */
import {ConnectionLost, SwanError} from './errors.js';
import {Link} from './link.js';
import {isolated} from './log.js';

/** @typedef {import('./link.js').Call} Call */
/** @typedef {import('./link.js').Ending} Ending */
/** @typedef {import('./public.js').ConnectOptions} ConnectOptions */
/** @typedef {import('./public.js').EventParams} EventParams */

const PROTOCOL = 1;
/** Calls that may wait for the socket to come back; then further ones are refused. */
const QUEUE_LIMIT = 1000;
/** So long does the daemon keep a session without a socket; so long do calls wait. */
const GRACE_MS = 120_000;
/** A socket that is not open, or a session.open that is not answered, by then is given up. */
const OPEN_LIMIT_MS = 10_000;
/** What a polite end may take before it becomes an abrupt one. */
const CLOSE_LIMIT_MS = 2_000;
const BACK_OFF_FIRST_MS = 100;
const BACK_OFF_LAST_MS = 5_000;

/** Close codes after which coming back makes no sense: a wanted end, refused conduct, another socket has the session. */
const FINAL_CODES = new Set([1000, 1008, 4001]);
/** Characters of one call's params; the daemon closes the socket over a frame of 8 MiB. */
const PARAMS_LIMIT = 8_000_000;
/** Refusals that another attempt does not change. */
const FINAL_STATUS = new Set([401, 403]);
/** The slow-reader rule's close code: resume at once. */
const TRY_AGAIN = 1013;
/** JSON-RPC errors of session.open that pass: over a bound, stopping, internal. */
const PASSING_ERRORS = new Set([-32003, -32004, -32603]);

/**
 * The client's picture of one family's objects on the daemon.
 *
 * @typedef {object} Mirror
 * @property {(name: string, params: EventParams) => void} event one event, by its name within the family
 * @property {() => void} renewed the old session is gone with its objects; make them anew on this one
 * @property {(error: SwanError) => void} ended there will be no session any more, and not by our own wish
 * @property {(objects: Record<string, Record<string, any>>) => void} refresh take over a snapshot
 */

export class Session {
    sessionId = '';
    epoch = '';
    protocol = PROTOCOL;
    server = {name: '', version: ''};
    /** @type {{mode: 'real' | 'virtual', now: number}} */
    clock = {mode: 'real', now: 0};
    lastSeq = 0;

    #Socket;
    #address;
    #options;
    /** @type {'opening' | 'open' | 'lost' | 'closed'} */
    #status = 'opening';
    /** @type {Link | undefined} */
    #link;
    /** @type {Call[]} */
    #queue = [];
    /** @type {[string, EventParams][]} events that came before the answer to session.open */
    #early = [];
    /** @type {Map<string, Mirror>} by family */
    #mirrors = new Map();
    /** @type {Map<string, Set<(params: EventParams) => void>>} */
    #listeners = new Map();
    /** @type {Set<() => void>} writes of this tick, to be sent before anything else is */
    #deferred = new Set();
    #attempt = 0;
    #graceOver = false;
    #refreshing = false;
    /** @type {{resolve: () => void, reject: (error: Error) => void} | undefined} */
    #ready;
    /** @type {Promise<void> | undefined} */
    #closing;
    /** @type {Record<'dial' | 'open' | 'grace', ReturnType<typeof setTimeout> | undefined>} */
    #timers = {dial: undefined, open: undefined, grace: undefined};

    /**
     * @param {import('./link.js').SocketClass} Socket
     * @param {{url: string, token: string | undefined}} address
     * @param {ConnectOptions} options
     */
    constructor(Socket, address, options) {
        this.#Socket = Socket;
        this.#address = address;
        this.#options = options;
    }

    get connected() {
        return this.#status === 'open';
    }

    /**
     * Open the session; no second attempt is made here, so that a wrong address or token is told at once.
     *
     * @returns {Promise<void>}
     * @throws {SwanError}
     */
    open() {
        return new Promise((resolve, reject) => {
            this.#ready = {resolve, reject};
            this.#dial();
        });
    }

    /**
     * @param {string} family
     * @param {Mirror} mirror
     */
    attach(family, mirror) {
        this.#mirrors.set(family, mirror);
    }

    /**
     * Hear an event by its wire name.
     *
     * @param {string} event
     * @param {(params: EventParams) => void} listener
     * @returns {() => void} ends it
     */
    on(event, listener) {
        if (typeof listener !== 'function') throw new TypeError(`on('${event}', listener): the listener is no function`);
        const listeners = this.#listeners.get(event) ?? new Set();
        this.#listeners.set(event, listeners.add(listener));
        return () => void listeners.delete(listener);
    }

    /**
     * Send something at the end of this tick, or just before the next call, whichever comes first.
     *
     * @param {() => void} flush
     */
    defer(flush) {
        if (this.#deferred.size === 0) queueMicrotask(() => this.#flush());
        this.#deferred.add(flush);
    }

    /**
     * Make a call; while the socket is lost it waits for the next one.
     *
     * @param {string} method
     * @param {object} [params]
     * @returns {Promise<any>} rejects with SwanError; with ConnectionLost when the answer will never come
     */
    call(method, params = {}) {
        return new Promise((resolve, reject) => {
            this.send(method, params, {settle: (error, result) => (error ? reject(error) : resolve(result))});
        });
    }

    /**
     * Make a call whose answer is taken synchronously, in order with the events around it.
     *
     * @param {string} method
     * @param {object} params
     * @param {{repeatable?: boolean, settle?: Call['settle']}} [how] a repeatable call that was under way when the
     *   socket was lost is sent again instead of failing
     */
    send(method, params, {repeatable = false, settle = () => {}} = {}) {
        this.#flush();
        let body;
        try {
            if (typeof params !== 'object' || params === null) throw new TypeError('params must be an object');
            body = JSON.stringify(params);
            if (body.length > PARAMS_LIMIT) throw new SwanError(202, `${method}: params are over ${PARAMS_LIMIT} characters`);
        } catch (error) {
            settle(/** @type {Error} */ (error));
            return;
        }
        this.#pass({method, body, repeatable, settle});
    }

    /** @param {Call} call */
    #pass(call) {
        if (this.#status === 'closed' || this.#closing) call.settle(new ConnectionLost('the session is closed'));
        else if (this.#status === 'open') this.#link?.send(call);
        else if (this.#graceOver) call.settle(new ConnectionLost('the daemon has been out of reach for too long'));
        else if (this.#queue.length < QUEUE_LIMIT) this.#queue.push(call);
        else call.settle(new ConnectionLost(`the connection is lost and ${QUEUE_LIMIT} calls wait for it already`));
    }

    /** @returns {Promise<void>} End the session on the daemon, and the socket. */
    close() {
        this.#closing ??= this.#leave();
        return this.#closing;
    }

    async #leave() {
        const link = this.#link;
        if (this.#status === 'open' && link) {
            await new Promise(resolve => {
                const timer = setTimeout(resolve, CLOSE_LIMIT_MS);
                const settle = () => {
                    clearTimeout(timer);
                    resolve(undefined);
                };
                link.send({method: 'session.close', body: '{}', repeatable: false, settle});
            });
        }
        this.#finish(new ConnectionLost('the session was closed'));
    }

    #flush() {
        while (this.#deferred.size) {
            const writes = [...this.#deferred];
            this.#deferred.clear();
            for (const write of writes) write();
        }
    }

    #dial() {
        this.#early = [];
        /** @type {Link} */
        const link = new Link(this.#Socket, this.#address, {
            onOpen: () => this.#introduce(link),
            onNotification: (method, params) => {
                if (this.#status === 'open') this.#deliver(method, params);
                else this.#early.push([method, params]);
            },
            onLost: (ending, unanswered) => this.#lost(ending, unanswered),
        });
        this.#link = link;
        clearTimeout(this.#timers.open);
        this.#timers.open = setTimeout(() => link.end(), OPEN_LIMIT_MS);
    }

    /** @param {Link} link */
    #introduce(link) {
        const {appId = 'swanbridge-js', packageRoot, timeUpdateInterval, persona} = this.#options;
        const {sessionId, epoch, lastSeq} = this;
        const resume = sessionId ? {sessionId, epoch, lastSeq} : undefined;
        const params = {appId, protocol: PROTOCOL, packageRoot, timeUpdateInterval, persona, resume};
        link.send({
            method: 'session.open',
            body: JSON.stringify(params),
            repeatable: false,
            settle: (error, result) => {
                if (error instanceof ConnectionLost) return; // #lost sees to it
                if (!error) this.#opened(result);
                else if (this.#ready || !PASSING_ERRORS.has(/** @type {SwanError} */ (error).errCode)) this.#finish(error);
                else link.end();
            },
        });
    }

    /** @param {any} result of session.open */
    #opened(result) {
        clearTimeout(this.#timers.open);
        clearTimeout(this.#timers.grace);
        this.#timers.grace = undefined;
        const renewed = this.sessionId !== '' && !result.resumed;
        const {sessionId, epoch, protocol, server, clock} = result;
        Object.assign(this, {sessionId, epoch, protocol, server, clock});
        if (!result.resumed) this.lastSeq = 0;
        this.#status = 'open';
        this.#attempt = 0;
        this.#graceOver = false;
        const queue = this.#queue;
        const early = this.#early;
        this.#queue = [];
        this.#early = [];
        // Objects come first: what waits in the queue is meant for them.
        if (renewed) for (const mirror of this.#mirrors.values()) mirror.renewed();
        for (const call of queue) this.#pass(call);
        if (result.truncated && result.resumed) this.#refresh();
        for (const [method, params] of early) this.#deliver(method, params);
        this.#ready?.resolve();
        this.#ready = undefined;
    }

    /**
     * @param {string} method
     * @param {EventParams} params
     */
    #deliver(method, params) {
        const {seq, skipped = 0} = params;
        if (seq !== undefined) {
            if (seq <= this.lastSeq) return; // sent again by a resume
            const gap = seq - skipped > this.lastSeq + 1;
            this.lastSeq = seq;
            if (gap) this.#refresh();
        }
        const dot = method.lastIndexOf('.');
        this.#mirrors.get(method.slice(0, dot))?.event(method.slice(dot + 1), params);
        for (const listener of [...(this.#listeners.get(method) ?? [])]) isolated(listener, params);
    }

    /** Events are missing: take the state of everything from the daemon. */
    #refresh() {
        if (this.#refreshing) return;
        this.#refreshing = true;
        this.send('session.snapshot', {}, {
            settle: (_error, snapshot) => {
                this.#refreshing = false;
                if (!snapshot) return;
                for (const [family, mirror] of this.#mirrors) mirror.refresh(snapshot.objects?.[family] ?? {});
            },
        });
    }

    /**
     * @param {Ending} ending
     * @param {Call[]} unanswered
     */
    #lost(ending, unanswered) {
        clearTimeout(this.#timers.open);
        this.#link = undefined;
        if (this.#status === 'closed') {
            for (const call of unanswered) call.settle(new ConnectionLost('the session was closed'));
            return;
        }
        const wasOpen = this.#status === 'open';
        const error = this.#describe(ending);
        const final = FINAL_CODES.has(ending.code) && wasOpen;
        if (this.#ready || this.#closing || this.#options.reconnect === false || final || FINAL_STATUS.has(ending.status ?? 0)) {
            this.#finish(error, unanswered);
            return;
        }
        this.#status = 'lost';
        // Once more, not for ever: it may be this very call that makes the daemon close.
        const again = unanswered.filter(call => call.repeatable);
        this.#queue.unshift(...again.map(call => ({...call, repeatable: false})));
        for (const call of this.#queue.splice(QUEUE_LIMIT)) call.settle(error);
        this.#timers.grace ??= setTimeout(() => {
            this.#graceOver = true;
            for (const call of this.#queue.splice(0)) call.settle(error);
        }, GRACE_MS);
        const span = Math.min(BACK_OFF_LAST_MS, BACK_OFF_FIRST_MS * 2 ** this.#attempt);
        const delay = wasOpen && ending.code === TRY_AGAIN ? 0 : span * (0.5 + Math.random() / 2);
        this.#attempt++;
        this.#timers.dial = setTimeout(() => this.#dial(), delay);
        for (const call of unanswered) if (!call.repeatable) call.settle(error);
    }

    /**
     * Everything ends here, whether wished for or not.
     *
     * @param {Error} error for the calls that wait
     * @param {Call[]} [unanswered]
     */
    #finish(error, unanswered = []) {
        if (this.#status === 'closed') return;
        const first = this.#ready;
        this.#status = 'closed';
        this.#ready = undefined;
        for (const timer of Object.values(this.#timers)) clearTimeout(timer);
        this.#link?.end();
        for (const call of [...unanswered, ...this.#queue.splice(0)]) call.settle(error);
        if (first) first.reject(error);
        else if (!this.#closing && error instanceof SwanError) for (const mirror of this.#mirrors.values()) mirror.ended(error);
    }

    /** @param {Ending} ending */
    #describe({code, reason, wasOpen, message, status}) {
        const where = this.#address.url;
        if (status === 401) return new ConnectionLost(`${where} refuses the token: it is missing, wrong or expired`, {status});
        if (status !== undefined) return new ConnectionLost(`${where} refuses the connection: ${message}`, {status});
        if (wasOpen) {
            return new ConnectionLost(`the connection was lost (${[code, reason, message].filter(Boolean).join(', ')})`);
        }
        return new ConnectionLost(
            `${where} cannot be reached${message ? ` (${message})` : ''}: check that swanbridged runs there, `
                + 'that the token is right, and that it allows this page (--allow-origin, --allow-host)',
        );
    }
}
