/** innerAudioContext: sounds inside a program, many at once (facts 1.7, 2.10). */
import {ConnectionLost, SwanError} from './errors.js';
import {complain, isolated} from './log.js';

/** @typedef {import('./public.js').EventParams} EventParams */
/** @typedef {import('./public.js').InnerAudioContext} Promised */
/** @typedef {import('./session.js').Session} Session */

const FAMILY = 'innerAudioContext';
/** onError's code for what is not the source's fault (facts 2.10). */
const SYSTEM_ERROR = 10001;
/** What the daemon answers for an id that is taken, or not known. */
const BAD_ID = 202;

/** @type {import('./conventions.js').Descriptor} */
export const SET_INNER_AUDIO_OPTION = {
    name: 'setInnerAudioOption',
    parameters: {mixWithOther: {type: 'boolean'}, obeyMuteSwitch: {type: 'boolean'}},
};

/**
 * @typedef {object} Writable
 * @property {string} src
 * @property {number} startTime
 * @property {boolean} autoplay
 * @property {boolean} loop
 * @property {boolean} obeyMuteSwitch
 * @property {number} volume
 * @property {number} playbackRate
 */

/** @type {Readonly<Writable>} */
const INITIAL = {
    src: '',
    startTime: 0,
    autoplay: false,
    loop: false,
    obeyMuteSwitch: true,
    volume: 1,
    playbackRate: 1,
};

/** Least and most of the numbers. @type {Record<string, [number, number]>} */
const RANGES = {startTime: [0, Infinity], volume: [0, 1], playbackRate: [0.5, 2]};

/** Swan's payload of an event; the wire carries more (facts 2.10). @type {Record<string, string[]>} */
const PAYLOADS = {onTimeUpdate: ['currentTime', 'duration'], onError: ['errCode', 'errMsg']};

/** All contexts of a session. */
export class InnerAudioContexts {
    #session;
    /** @type {Map<string, InnerAudioContext>} those alive, by id */
    #contexts = new Map();
    /** Goes on over a resume, so that no id comes twice in a session. */
    #count = 0;

    /** @param {Session} session */
    constructor(session) {
        this.#session = session;
        session.attach(FAMILY, this);
    }

    /** @returns {InnerAudioContext} A new context; the daemon is told, its answer not waited for. */
    create() {
        const number = ++this.#count;
        const contextId = `a${number}`;
        const context = new InnerAudioContext(this.#session, number, () => this.#contexts.delete(contextId));
        this.#contexts.set(contextId, context);
        context[LIFE].create();
        return context;
    }

    /**
     * @param {string} name
     * @param {EventParams} params
     */
    event(name, params) {
        this.#contexts.get(String(params.contextId))?.[LIFE].event(name, params);
    }

    renewed() {
        for (const context of [...this.#contexts.values()]) context[LIFE].renewed();
    }

    /** @param {import('./errors.js').SwanError} error */
    ended(error) {
        for (const context of [...this.#contexts.values()]) context[LIFE].failed(error.errMsg);
    }

    /** @param {Record<string, Record<string, any>>} objects */
    refresh(objects) {
        for (const [id, state] of Object.entries(objects)) this.#contexts.get(id)?.[LIFE].refresh(state);
    }
}

/** The door for this file's own use; programs see swan's members only. */
const LIFE = Symbol('life');

/**
 * An error of swan's own is told by an event; one of the door (too many calls, no right) would go unheard.
 *
 * @param {Error | undefined} error
 */
function complainOfDoor(error) {
    if (error instanceof SwanError && error.errCode <= -32000) complain(error.errMsg);
}

/** The part of a context that programs do not see: mirror, listeners, calls. */
class Life {
    /** @type {Writable} */
    written = {...INITIAL};
    state = {duration: 0, currentTime: 0, paused: true, buffered: 0};
    /** @type {Map<string, Function[]>} by event name; what the mirror does is apart from it (facts 1.7) */
    listeners = new Map();
    /** `ending` from destroy() to the daemon's answer: its last onStop is still heard. */
    #stage = /** @type {'alive' | 'ending' | 'over'} */ ('alive');
    #known = false;
    /** @type {Partial<Writable>} */
    #unsent = {};
    #session;
    #number;
    #forget;

    /**
     * @param {Session} session
     * @param {number} number
     * @param {() => void} forget
     */
    constructor(session, number, forget) {
        this.#session = session;
        this.#number = number;
        this.#forget = forget;
    }

    get alive() {
        return this.#stage === 'alive';
    }

    create() {
        this.#known = false;
        this.#call('create', {}, error => {
            if (!error) this.#known = true;
            // Sent twice over a lost socket, the second is told that the id is taken.
            else if (error instanceof SwanError && error.errCode === BAD_ID) this.#known = true;
            else if (!(error instanceof ConnectionLost)) this.failed(error.message);
        });
    }

    /**
     * Send a method's call; programs hear of it by events only, so an error of the answer is dropped.
     *
     * @param {string} method
     * @param {object} [params]
     * @param {(error: Error | undefined) => void} [settle]
     */
    #call(method, params = {}, settle = complainOfDoor) {
        this.#session.send(`${FAMILY}.${method}`, {contextId: `a${this.#number}`, ...params}, {repeatable: true, settle});
    }

    /**
     * @param {string} method
     * @param {object} [params]
     */
    act(method, params) {
        if (this.alive) this.#call(method, params);
    }

    destroy() {
        if (!this.alive) return;
        // Writes of this tick come before, as they do with every call.
        this.#call('destroy', {}, () => this.#over());
        this.#stage = 'ending';
    }

    #over() {
        this.#stage = 'over';
        this.state.paused = true;
        this.listeners.clear();
        this.#forget();
    }

    /**
     * Take a property's new value; what is not fit is told on the console and changes nothing.
     *
     * @param {keyof Writable} name
     * @param {unknown} given
     */
    write(name, given) {
        if (!this.alive) return;
        const type = typeof INITIAL[name];
        // A numeric text is as good as the number (facts 1.4).
        const value = type === 'number' && typeof given === 'string' && given.trim() !== '' ? Number(given) : given;
        if (typeof value !== type || Number.isNaN(value)) {
            complain(`innerAudioContext.${name} must be a ${type}, not ${String(given)}`);
            return;
        }
        const [least, most] = RANGES[name] ?? [-Infinity, Infinity];
        if (typeof value === 'number' && (value < least || value > most || !Number.isFinite(value))) {
            complain(`innerAudioContext.${name} must be from ${least} to ${most}, not ${value}`);
            return;
        }
        if (value === this.written[name]) return;
        Object.assign(this.written, {[name]: value});
        Object.assign(this.#unsent, {[name]: value});
        this.#session.defer(this.#send);
    }

    #send = () => {
        const unsent = this.#unsent;
        this.#unsent = {};
        if (this.#stage !== 'over' && Object.keys(unsent).length) this.#call('set', unsent);
    };

    /**
     * @param {string} name
     * @param {EventParams} params
     */
    event(name, params) {
        this.#follow(name, params);
        if (this.alive || (this.#stage === 'ending' && name === 'onStop')) this.#tell(name, params);
    }

    /**
     * Bring the mirror up to an event (facts 2.10).
     *
     * @param {string} name
     * @param {EventParams} params
     */
    #follow(name, params) {
        const {state} = this;
        if (name === 'onTimeUpdate' && state.paused) return;
        for (const key of /** @type {const} */ (['duration', 'currentTime', 'buffered'])) {
            const value = params[key];
            if (typeof value === 'number') state[key] = value;
        }
        if (name === 'onPlay') state.paused = false;
        else if (name === 'onPause' || name === 'onStop' || name === 'onError') state.paused = true;
        else if (name === 'onEnded') state.paused = !this.written.loop;
    }

    /**
     * Call the listeners with an object that has the payload both at top level and as `data` (facts 1.7).
     *
     * @param {string} name
     * @param {EventParams} params
     */
    #tell(name, params) {
        for (const listener of [...(this.listeners.get(name) ?? [])]) {
            if (!this.alive && name !== 'onStop') return;
            const payload = Object.fromEntries((PAYLOADS[name] ?? []).map(key => [key, params[key]]));
            isolated(listener, {...payload, type: `${name.slice(2)}_audioId_${this.#number}`, data: payload});
        }
    }

    /** The session is a new one: what the old daemon knew of is made again, and the program told that it stopped. */
    renewed() {
        if (!this.alive || !this.#known) return;
        this.#unsent = {};
        this.state = {duration: 0, currentTime: 0, paused: true, buffered: 0};
        this.create();
        const changed = Object.entries(this.written).filter(([key, value]) => value !== INITIAL[/** @type {keyof Writable} */ (key)]);
        if (changed.length) this.#call('set', Object.fromEntries(changed));
        this.failed('the daemon was started anew; playing stopped');
    }

    /** @param {string} errMsg */
    failed(errMsg) {
        this.event('onError', {errCode: SYSTEM_ERROR, errMsg});
    }

    /** @param {Record<string, any>} state of a snapshot */
    refresh(state) {
        for (const key of /** @type {const} */ (['duration', 'currentTime', 'buffered'])) {
            if (typeof state[key] === 'number') this.state[key] = state[key];
        }
        if (typeof state.paused === 'boolean') this.state.paused = state.paused;
    }
}

/**
 * One sound, as programs see it. Methods return nothing, read-only properties ignore writes.
 *
 * @implements {Promised}
 */
class InnerAudioContext {
    /** @type {Life} */
    #life;

    /**
     * @param {Session} session
     * @param {number} number
     * @param {() => void} forget
     */
    constructor(session, number, forget) {
        this.#life = new Life(session, number, forget);
    }

    get [LIFE]() {
        return this.#life;
    }

    get src() { return this.#life.written.src; }
    set src(value) { this.#life.write('src', value); }
    get startTime() { return this.#life.written.startTime; }
    set startTime(value) { this.#life.write('startTime', value); }
    get autoplay() { return this.#life.written.autoplay; }
    set autoplay(value) { this.#life.write('autoplay', value); }
    get loop() { return this.#life.written.loop; }
    set loop(value) { this.#life.write('loop', value); }
    get obeyMuteSwitch() { return this.#life.written.obeyMuteSwitch; }
    set obeyMuteSwitch(value) { this.#life.write('obeyMuteSwitch', value); }
    get volume() { return this.#life.written.volume; }
    set volume(value) { this.#life.write('volume', value); }
    get playbackRate() { return this.#life.written.playbackRate; }
    set playbackRate(value) { this.#life.write('playbackRate', value); }

    get duration() { return this.#life.state.duration; }
    set duration(_) { /* read-only */ }
    get currentTime() { return this.#life.state.currentTime; }
    set currentTime(_) { /* read-only */ }
    get paused() { return this.#life.state.paused; }
    set paused(_) { /* read-only */ }
    get buffered() { return this.#life.state.buffered; }
    set buffered(_) { /* read-only */ }

    play() { this.#life.act('play'); }
    pause() { this.#life.act('pause'); }
    stop() { this.#life.act('stop'); }
    destroy() { this.#life.destroy(); }

    /** @param {number | {position: number}} position seconds */
    seek(position) {
        const given = typeof position === 'object' && position !== null ? position.position : position;
        const seconds = typeof given === 'string' && /** @type {string} */ (given).trim() === '' ? NaN : Number(given ?? NaN);
        if (Number.isFinite(seconds)) this.#life.act('seek', {position: seconds});
        else if (this.#life.alive) complain(`innerAudioContext.seek must have a position in seconds, not ${String(given)}`);
    }

    /**
     * @param {string} event
     * @param {Function} listener
     */
    #on(event, listener) {
        const {listeners, alive} = this.#life;
        if (typeof listener !== 'function') complain(`innerAudioContext.${event} must have a function`);
        else if (alive) listeners.set(event, [...(listeners.get(event) ?? []), listener]);
    }

    /**
     * @param {string} event
     * @param {Function} [listener] all of them when absent
     */
    #off(event, listener) {
        const {listeners} = this.#life;
        listeners.set(event, listener ? (listeners.get(event) ?? []).filter(one => one !== listener) : []);
    }

    /** @typedef {import('./public.js').AudioListener} Listener */
    /** @typedef {import('./public.js').AudioListener<import('./public.js').AudioProgress>} ProgressListener */
    /** @typedef {import('./public.js').AudioListener<import('./public.js').AudioError>} ErrorListener */

    /** @param {Listener} listener */
    onCanplay(listener) { this.#on('onCanplay', listener); }
    /** @param {Listener} listener */
    onPlay(listener) { this.#on('onPlay', listener); }
    /** @param {Listener} listener */
    onPause(listener) { this.#on('onPause', listener); }
    /** @param {Listener} listener */
    onStop(listener) { this.#on('onStop', listener); }
    /** @param {Listener} listener */
    onEnded(listener) { this.#on('onEnded', listener); }
    /** @param {ProgressListener} listener */
    onTimeUpdate(listener) { this.#on('onTimeUpdate', listener); }
    /** @param {ErrorListener} listener */
    onError(listener) { this.#on('onError', listener); }
    /** @param {Listener} listener */
    onWaiting(listener) { this.#on('onWaiting', listener); }
    /** @param {Listener} listener */
    onSeeking(listener) { this.#on('onSeeking', listener); }
    /** @param {Listener} listener */
    onSeeked(listener) { this.#on('onSeeked', listener); }

    /** @param {Listener} [listener] */
    offCanplay(listener) { this.#off('onCanplay', listener); }
    /** @param {Listener} [listener] */
    offPlay(listener) { this.#off('onPlay', listener); }
    /** @param {Listener} [listener] */
    offPause(listener) { this.#off('onPause', listener); }
    /** @param {Listener} [listener] */
    offStop(listener) { this.#off('onStop', listener); }
    /** @param {Listener} [listener] */
    offEnded(listener) { this.#off('onEnded', listener); }
    /** @param {ProgressListener} [listener] */
    offTimeUpdate(listener) { this.#off('onTimeUpdate', listener); }
    /** @param {ErrorListener} [listener] */
    offError(listener) { this.#off('onError', listener); }
    /** @param {Listener} [listener] */
    offWaiting(listener) { this.#off('onWaiting', listener); }
    /** @param {Listener} [listener] */
    offSeeking(listener) { this.#off('onSeeking', listener); }
    /** @param {Listener} [listener] */
    offSeeked(listener) { this.#off('onSeeked', listener); }
}
