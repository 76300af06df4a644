/**
 * The console: what the daemon is doing, and a tone to hear that it works.
 *
 * What programs and devices are called comes from strangers, so everything is shown as text nodes.
 */
import {EVENTS} from '/client/generated/names.js';
import {connect} from '/client/index.js';

const POLL_MS = 2000;
const ROWS = 200; // events shown; the oldest go
const EARLIER = 50; // events that came before somebody looked
const PROGRESS = 'innerAudioContext.onTimeUpdate';
const TONE = {frequency: 523.25, seconds: 0.8, rate: 24_000, level: 0.3, fade: 0.02};
const TONE_PATIENCE_MS = 10_000;
const FORBIDDEN = -32002;

const part = id => document.getElementById(id);

function element(name, text = '', className = '') {
    const made = document.createElement(name);
    made.textContent = text;
    if (className) made.className = className;
    return made;
}

function show(id, text, isBad = false) {
    const shown = part(id);
    if (shown.textContent !== text) shown.textContent = text; // a screen reader tells what changed only
    shown.classList.toggle('bad', isBad);
}

// --- what the daemon says -------------------------------------------------------------------------------------

/** One batch, in a session of its own that ends with it; an answer is the result, undefined where it was refused. */
async function ask(...methods) {
    const calls = methods.map((method, id) => ({jsonrpc: '2.0', id, method, params: {}}));
    const response = await fetch('/rpc', {
        method: 'POST',
        headers: {'Content-Type': 'application/json'},
        body: JSON.stringify(calls),
    });
    if (!response.ok) throw new Error((await response.text()).trim());
    const answers = await response.json();
    if (!Array.isArray(answers)) throw new Error(answers.error?.data?.errMsg ?? 'the daemon refused the call');
    return methods.map((_, id) => answers.find(answer => answer.id === id)?.result);
}

async function poll() {
    try {
        const [ready, [own, list, devices, clock]] = await Promise.all([
            fetch('/ready').then(response => response.json().catch(() => undefined)),
            ask('session.snapshot', 'session.list', 'device.list', 'clock.now'),
        ]);
        showDaemon(ready, clock);
        showDevices(devices?.devices ?? []);
        showSessions(list?.sessions.filter(({sessionId}) => sessionId !== own?.sessionId) ?? [], clock);
        show('status', ready?.ready ? 'takes calls' : 'is stopping', !ready?.ready);
    } catch (error) {
        const isGone = error instanceof TypeError; // what fetch throws when nobody answers
        show('status', isGone ? 'does not answer; was it stopped?' : error.message, true);
    }
    setTimeout(poll, POLL_MS);
}

let clockMode = 'real';
let isPlaying = false;

function showDaemon(ready, clock) {
    if (!ready || !clock) return;
    clockMode = clock.mode;
    const {version, engines, processes, speaker, notes} = ready;
    const facts = [
        ['Version', version],
        ['Clock', `${clock.mode}, ${clock.now.toFixed(1)} s`],
        ['Speaker', speaker.name],
        ['Engines', Object.entries(engines).map(([name, state]) => `${name} ${state}`).join(', ')],
        ['Processes', Object.keys(processes).length.toString()],
        ...(speaker.problem ? [['Problem', speaker.problem]] : []),
        ...notes.map(note => ['Note', note]),
    ];
    part('daemon').replaceChildren(...facts.flatMap(([name, text]) => [element('dt', name), element('dd', text)]));
    const button = part('tone');
    button.textContent = clockMode === 'virtual' ? `Play a tone (moves the clock by ${TONE.seconds} s)` : 'Play a tone';
    if (!isPlaying) button.disabled = false;
}

function showDevices(devices) {
    part('devices').replaceChildren(...devices.map(device => {
        const state = [
            device.selected ? 'in use' : '',
            device.present ? '' : 'unplugged',
            device.virtual ? 'virtual' : '',
        ].filter(Boolean);
        const row = element('tr');
        row.append(element('td', device.kind), element('td', device.name), element('td', state.join(', ')));
        return row;
    }));
}

/** Rows by session, so that a button keeps its focus from one poll to the next. */
const rows = new Map();
let watchedId = '';

function showSessions(sessions, clock) {
    part('no-sessions').hidden = sessions.length > 0;
    const open = new Set(sessions.map(({sessionId}) => sessionId));
    for (const [sessionId, row] of rows) {
        if (open.has(sessionId)) continue;
        row.remove();
        rows.delete(sessionId);
    }
    // While the tone plays, this list may be older than its session.
    if (watchedId && !isPlaying && !open.has(watchedId)) unwatch();
    for (const session of sessions) {
        const {sessionId, appId, connected, openedAt, seq} = session;
        let row = rows.get(sessionId);
        if (!row) {
            row = element('tr');
            const button = element('button', 'Watch');
            button.type = 'button';
            button.setAttribute('aria-label', `Watch the events of ${appId}, ${sessionId}`);
            button.addEventListener('click', () => watch(sessionId, appId, Math.max(0, Number(row.dataset.seq) - EARLIER)));
            const action = element('td');
            action.append(button);
            row.append(element('td', appId), element('td'), element('td'), element('td'), action, element('td', sessionId, 'code'));
            rows.set(sessionId, row);
            part('sessions').append(row);
        }
        row.dataset.seq = seq;
        row.classList.toggle('chosen', sessionId === watchedId);
        row.cells[1].textContent = connected ? 'connected' : 'no socket';
        row.cells[2].textContent = clock ? age(clock.now - openedAt) : '';
        row.cells[3].textContent = seq;
    }
}

function age(seconds) {
    if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
    return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
}

// --- a session's events ---------------------------------------------------------------------------------------

let stream;
let watchedName = '';

function watch(sessionId, appId, after) {
    stream?.close();
    watchedId = sessionId;
    watchedName = `${appId}, ${sessionId}`;
    for (const [id, row] of rows) row.classList.toggle('chosen', id === sessionId);
    part('events').replaceChildren();
    show('watched', watchedName);
    stream = new EventSource(`/events?${new URLSearchParams({session: sessionId, lastEventId: after})}`);
    for (const event of EVENTS) stream.addEventListener(event, ({data}) => addEvent(event, JSON.parse(data)));
}

/** The session has ended; a lost stream of one that lives is opened again by the browser itself. */
function unwatch() {
    stream.close();
    show('watched', `${watchedName}: the session has ended`);
    watchedId = '';
}

function addEvent(event, {seq, at, ...params}) {
    const table = part('events');
    const view = table.closest('.scroll');
    const follows = view.scrollTop + view.clientHeight >= view.scrollHeight - 4;
    const last = table.lastElementChild;
    const key = `${event} ${params.contextId}`;
    // Progress comes often: the newest report stands for those right before it.
    if (event === PROGRESS && last?.dataset.key === key) last.remove();
    const row = element('tr');
    row.dataset.key = key;
    const told = Object.entries(params).map(([name, value]) => `${name} ${JSON.stringify(value)}`).join('  ');
    row.append(element('td', seq, 'number'), element('td', at.toFixed(3), 'number'), element('td', event), element('td', told));
    table.append(row);
    while (table.childElementCount > ROWS) table.firstElementChild.remove();
    if (follows) view.scrollTop = view.scrollHeight;
}

// --- the tone -------------------------------------------------------------------------------------------------

/** A mono 16-bit WAV as a data: URL. */
function toneUrl({frequency, seconds, rate, level, fade}) {
    const count = Math.round(seconds * rate);
    const bytes = new Uint8Array(44 + count * 2);
    const view = new DataView(bytes.buffer);
    const word = (at, text) => bytes.set(new TextEncoder().encode(text), at);
    word(0, 'RIFF');
    view.setUint32(4, bytes.length - 8, true);
    word(8, 'WAVEfmt ');
    view.setUint32(16, 16, true);
    view.setUint16(20, 1, true); // PCM
    view.setUint16(22, 1, true); // channels
    view.setUint32(24, rate, true);
    view.setUint32(28, rate * 2, true);
    view.setUint16(32, 2, true);
    view.setUint16(34, 16, true);
    word(36, 'data');
    view.setUint32(40, count * 2, true);
    for (let index = 0; index < count; index += 1) {
        const ramp = Math.min(1, index / rate / fade, (count - index) / rate / fade);
        const sample = level * ramp * Math.sin(2 * Math.PI * frequency * index / rate);
        view.setInt16(44 + index * 2, Math.round(sample * 32_767), true);
    }
    return `data:audio/wav;base64,${btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(''))}`;
}

async function playTone() {
    isPlaying = true;
    part('tone').disabled = true;
    show('heard', 'Playing …');
    let swan;
    try {
        swan = await connect({appId: 'console', reconnect: false});
        const {sessionId} = swan.session;
        watch(sessionId, 'console', 0);
        show('heard', await played(swan));
    } catch (error) {
        show('heard', `It failed: ${error.errMsg ?? error.message}`, true);
    } finally {
        await swan?.close();
        isPlaying = false;
        part('tone').disabled = false;
    }
}

/** Play it to its end; returns a sentence about what was heard. */
async function played(swan) {
    // Measuring is the tester's right; with a token for programs only, it just plays.
    const capture = await swan.control.speaker.capture.start().catch(error => {
        if (error.errCode !== FORBIDDEN) throw error;
    });
    const audio = swan.createInnerAudioContext();
    const ended = new Promise((resolve, reject) => {
        audio.onEnded(resolve);
        audio.onError(reject);
        setTimeout(() => reject(new Error('the tone did not end')), TONE_PATIENCE_MS);
    });
    audio.src = toneUrl(TONE);
    audio.play();
    if (clockMode === 'virtual') {
        await Promise.all([ended, swan.control.clock.run_until('innerAudioContext.onEnded', TONE.seconds + 1)]);
    } else {
        await ended;
    }
    if (!capture) return 'Played. This token may not measure what was heard.';
    const {segments, dropouts} = await swan.control.speaker.capture.describe(capture.captureId);
    const sound = segments.filter(({kind}) => kind === 'sound');
    if (!sound.length) throw new Error('the tone was played and nothing reached the speaker');
    const [{start, end, dominantFrequency: heard, rms}] = sound;
    const tone = `${heard?.toFixed(1)} Hz for ${(end - start).toFixed(2)} s at ${rms?.toFixed(1)} dBFS`;
    return `Reached the speaker: ${tone}, ${dropouts.length || 'no'} drop-outs. (Asked for: ${TONE.frequency} Hz, ${TONE.seconds} s.)`;
}

part('tone').addEventListener('click', playTone);
poll();
