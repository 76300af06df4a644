/** The tester's side: the clock, the devices, the proof of what was heard. Plain calls, each a promise. */

/** Wire names, and what an argument means that is not the params object. @type {Record<string, string[]>} */
const METHODS = {
    'clock.now': [],
    'clock.advance': ['seconds'],
    'clock.run_until': ['event', 'limit'],
    'session.list': [],
    'session.snapshot': ['sessionId'],
    'session.close': ['sessionId'],
    'journal.read': ['sessionId', 'fromSeq', 'limit'],
    'file.url': ['filePath', 'expiresIn'],
    'device.list': [],
    'device.select': ['kind', 'deviceId'],
    'speaker.capture.start': ['sessionId'],
    'speaker.capture.stop': ['captureId'],
    'speaker.capture.describe': ['captureId'],
    'speaker.capture.find': ['captureId', 'filePath', 'from', 'to'],
};

/**
 * @param {{call: (method: string, params: object) => Promise<any>}} session
 * @returns {import('./public.js').Control}
 */
export function createControl(session) {
    /** @type {any} */
    const control = {};
    for (const [method, names] of Object.entries(METHODS)) {
        const path = method.split('.');
        const verb = /** @type {string} */ (path.pop());
        let place = control;
        for (const step of path) place = place[step] ??= {};
        place[verb] = (/** @type {unknown[]} */ ...given) => session.call(method, toParams(names, given));
    }
    return control;
}

/**
 * @param {string[]} names
 * @param {unknown[]} given one object of params, or values in the order of `names`
 * @returns {object}
 */
function toParams(names, given) {
    const [first] = given;
    if (typeof first === 'object' && first !== null) return first;
    return Object.fromEntries(names.map((name, index) => [name, given[index]]));
}
